import { z } from 'zod';
import { ArgumentText, Timestamp } from './common.ts';

/** Where the folder of a session comes from. */
export const WorkspaceSource = z
  .union([
    z.object({
      git: ArgumentText.meta({
        description:
          'Address of a git repository: https, ssh (also `git@host:path`), or file for one inside the roots. A user name and token in it are used for the clone and not kept',
      }),
      ref: z
        .string()
        .min(1)
        .max(255)
        .optional()
        .meta({ description: "Branch, tag or commit; default: the repository's own" }),
    }),
    z.object({
      snapshot: z.uuid().meta({ description: 'Id of a snapshot (`POST /sessions/{session_id}/snapshot`)' }),
    }),
  ])
  .meta({ id: 'WorkspaceSource' });
export type WorkspaceSource = z.infer<typeof WorkspaceSource>;

/** The folder that the server made for a session, as the API shows it. */
export const Workspace = z
  .object({
    git: z
      .string()
      .nullable()
      .meta({ description: 'The repository that it was cloned from, without credentials' }),
    ref: z.string().nullable(),
    snapshot: z.string().nullable().meta({ description: 'The snapshot that it was made from' }),
    saved_at: Timestamp.meta({ description: 'When its newest saved state was saved' }),
    saved_bytes: z.int().meta({ description: 'Bytes that are kept of it outside the folder' }),
    problem: z
      .object({ code: z.string(), detail: z.string(), at: Timestamp })
      .nullable()
      .meta({ description: 'Why the present state could not be saved; it is still in the folder' }),
  })
  .meta({ id: 'Workspace' });
export type Workspace = z.infer<typeof Workspace>;

/** A saved folder that new sessions can be made from. */
export const Snapshot = z.object({ snapshot_id: z.uuid(), bytes: z.int() }).meta({ id: 'Snapshot' });
