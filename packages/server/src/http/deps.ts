import type { Gateway } from 'claude-agent-gateway';
import type { BackgroundTask, Role, SessionState } from 'claude-agent-protocol';
import type { AuditLog } from '../access/audit-log.ts';
import type { BrowserConfig } from '../access/browser-config.ts';
import type { IdentifyFrom } from '../access/failed-attempts.ts';
import type { Keys } from '../access/keys.ts';
import type { LimitKeeper } from '../access/limits.ts';
import type { OidcSignIn } from '../access/oidc/oidc-sign-in.ts';
import type { OpenResponses } from '../access/open-responses.ts';
import type { Principal } from '../access/principal.ts';
import type { SignIn } from '../access/sign-in.ts';
import type { Agent } from '../agent/agent.ts';
import type { Peers } from '../agent/peers.ts';
import type { LiveSession } from '../cluster/nodes.ts';
import type { Feed } from '../events/feed.ts';
import type { Observation } from '../observe/observation.ts';
import type { ProcessCounts } from '../observe/watched-processes.ts';
import type { Push } from '../push/push.ts';
import type { Choices } from '../sessions/choices.ts';
import type { Folders } from '../sessions/folders.ts';
import type { Sessions } from '../sessions/registry.ts';
import type { Owned, Store } from '../store/store.ts';
import type { WebhookSender } from '../webhooks/sender.ts';
import type { Workspaces } from '../workspaces/workspaces.ts';
import type { RuntimeSessions } from './agentcore/sessions.ts';
import type { Forward } from './auth.ts';
import type { AddressOf } from './client-address.ts';

/** What the routes need; made in server.ts. */
export interface AppDeps {
  store: Store;
  feed: Feed;
  agent: Agent;
  sessions: Sessions;
  folders: Folders;
  /** Folders that sessions of this owner may work in. */
  rootsOf(owned: Owned): readonly string[];
  choices: Choices;
  workspaces: Pick<Workspaces, 'removeSnapshot' | 'checkSnapshot'>;
  identifyFrom: IdentifyFrom;
  signIn: SignIn;
  /** At an identity provider, where there is one. */
  oidc: OidcSignIn | undefined;
  keys: Keys;
  trustProjectRoles: readonly Role[];
  audit: AuditLog;
  openResponses: OpenResponses;
  limits: LimitKeeper;
  addressOf: AddressOf;
  peers: Peers;
  host: string;
  browsers: BrowserConfig;
  /** Callers of /invocations and /ws are authenticated by AgentCore. */
  agentcore: boolean;
  runtimeSessions: RuntimeSessions;
  bodyLimitBytes: number;
  importLimitBytes: number;
  defaultModel: string | undefined;
  gateway: Gateway;
  /** Where several nodes share the sessions. */
  nodes?: {
    forward: Forward;
    verify(header: string): Principal | undefined;
    /** Those that are alive. */
    list(): { node_id: string; address: string; is_this: boolean }[];
    /** What sessions do that a live node owns, by id. */
    doing(
      sessionIds: readonly string[],
    ): Promise<ReadonlyMap<string, { state: SessionState; tasks: BackgroundTask[] }>>;
    atWork(): Promise<LiveSession[]>;
  };
  /** For operators to see. */
  operations: {
    processes: Pick<ProcessCounts, 'running' | 'memoryBytes'>;
    maxLiveAgents: number;
    sandbox: { mode: string; active: boolean; network: string };
    settings: readonly { name: string; value: string; from: string }[];
  };
  observation: Pick<Observation, 'recentCalls' | 'metrics' | 'tracing' | 'onRequest'>;
  webhooks: Pick<WebhookSender, 'reach' | 'kick'>;
  /** Web Push, when it is on. */
  push: Pick<Push, 'publicKey' | 'reach'> | undefined;
  version: string;
  onError(error: unknown, what: string): void;
}
