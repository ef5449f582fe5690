/** A configuration that cannot work; the sentence tells the user what to change. */
export class ConfigError extends Error {}
