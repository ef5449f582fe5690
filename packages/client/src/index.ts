export * from './contract.ts';
export * from './schema/common.ts';
export * from './schema/error.ts';
export * from './schema/event.ts';
export * from './schema/message.ts';
export * from './schema/permission.ts';
export * from './schema/session.ts';
