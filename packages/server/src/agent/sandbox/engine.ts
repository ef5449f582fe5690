import type { Socket } from 'node:net';
import type { User } from './container-arguments.ts';
import type { SandboxLimits } from './limits.ts';
import type { Mount } from './mounts.ts';

/** What one sandbox is to be, whichever program makes it. */
export interface SandboxSpec {
  sessionId: string;
  /** Without the part of the machine that all sandboxes show. */
  mounts: readonly Mount[];
  /** Where the program starts. */
  cwd: string;
  limits: SandboxLimits;
  /** Whom the program runs as; undefined: as the server. */
  user?: User | undefined;
  /** Takes connections out of the sandbox, where it does not share the machine's network. */
  accept?: ((socket: Socket) => void) | undefined;
}

/** How a program is started in a sandbox. */
export interface SandboxStart {
  /** Bubblewrap writes there which process is the sandbox's first. */
  infoDescriptor: number;
  /** The whole environment of the program. */
  env: Readonly<Record<string, string | undefined>>;
  /** The limits that mark its processes. */
  marks: { soft: bigint; hard: bigint };
}

/** A command line that runs a program in a sandbox. */
export interface SandboxCommand {
  command: string;
  args: string[];
  /** Open descriptors that it inherits, from `infoDescriptor` on. */
  descriptors: number[];
  /** The descriptor over which the sandbox hands out its port, right after `infoDescriptor`; undefined without one. */
  channel: number | undefined;
  /** Variables for the command itself. */
  env?: Readonly<Record<string, string>>;
  /**
   * The sandbox puts the limits that mark a process on the program. The command itself has its variables only, which its
   * helpers do not inherit: conmon has to outlive podman and the program to remove the container.
   */
  marksProgram?: boolean;
}

/** One sandbox, around one program. */
export interface Room {
  /** @throws Error when a folder is not what it was */
  wrap(program: string, args: readonly string[], start: SandboxStart): SandboxCommand;
  started(): void;
  /** Takes what comes over the channel. */
  take(handle: unknown): void;
  /** Settles when the sandbox has its way out. */
  ready: Promise<void>;
  /** Ends what is left of it. */
  leave(): Promise<void>;
}

/** A program of the machine that makes sandboxes. */
export interface Engine {
  /** For the log: its name and version. */
  version: string;
  /** Its sandboxes can have a network of their own. */
  isolatesNetwork: boolean;
  open(spec: SandboxSpec): Promise<Room>;
  /** Closes what it keeps for all sandboxes. */
  close(): Promise<void>;
}

/** The port of the way out, on the sandbox's own loopback address. */
export const EGRESS_PORT = 3128;
