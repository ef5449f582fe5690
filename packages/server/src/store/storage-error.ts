/** The database failed, or cannot be reached. Its message says what happened, and holds no credential. */
export class StorageError extends Error {}
