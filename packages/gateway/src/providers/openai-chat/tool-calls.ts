import { isCompleteJson } from '../../messages/json-shape.ts';
import type { Provenance } from '../../messages/provenance.ts';
import type { Sequencer } from '../../messages/sequencer.ts';
import { toClientId } from '../../messages/tool-ids.ts';
import type { JsonObject } from '../../messages/types.ts';
import type { NameTable } from '../shared/tool-names.ts';
import type { KeptReasoning } from './reasoning.ts';
import type { ToolCallDelta } from './types.ts';

interface OpenCall {
  key: string;
  index: number;
  id: string | undefined;
  name: string | undefined;
  pending: string;
  started: boolean;
  extra: JsonObject | undefined;
}

/** Assembles tool calls from deltas that may lack an index or an id, or split the name. */
export function createToolCalls(provider: string, sequencer: Sequencer, { toolName, isOffered }: NameTable) {
  const calls: OpenCall[] = [];
  const used = new Set<string>();

  /** Whether a delta without an id begins a new call, although its index is in use. */
  function startsAnew(call: OpenCall, name: string | undefined, json: string): boolean {
    if (!name || call.name === undefined || isMoreOfName(call, name, json)) return false;
    const have = sequencer.toolJson(call.key) ?? call.pending;
    // Some providers repeat the name in each delta of a call; the last delta may be empty.
    if (name === call.name) return json.trim() !== '' && isCompleteJson(have);
    return have.trim() === '' || isCompleteJson(have);
  }

  /** A split name: both parts together name an offered tool, and the first part alone does not. */
  function isMoreOfName(call: OpenCall, name: string, json: string): boolean {
    const soFar = call.name ?? '';
    if (call.started || call.pending !== '' || json !== '' || isOffered(soFar)) return false;
    return !isOffered(name);
  }

  /** The call of a delta. The index may be missing; a new id under a used index is a new call. */
  function callFor(
    index: number | undefined,
    id: string | undefined,
    name: string | undefined,
    json: string,
  ): OpenCall {
    let call: OpenCall | undefined;
    if (index !== undefined) call = calls.findLast((candidate) => candidate.index === index);
    else if (id) call = calls.find((candidate) => candidate.id === id);
    else call = calls.at(-1);
    const isOther = call && (id && call.id ? id !== call.id : startsAnew(call, name, json));
    if (call && !isOther) {
      call.id ??= id;
      return call;
    }
    const created: OpenCall = {
      key: String(calls.length),
      index: index ?? calls.length,
      id,
      name: undefined,
      pending: '',
      started: false,
      extra: undefined,
    };
    calls.push(created);
    return created;
  }

  function start(call: OpenCall): void {
    if (call.started || call.name === undefined) return;
    call.started = true;
    const id = toClientId(call.id, used);
    used.add(id);
    if (call.id) used.add(call.id);
    if (call.extra) {
      const data: KeptReasoning = { extra: call.extra };
      const provenance: Provenance = { from: provider, tool: id, data };
      sequencer.keep(provenance);
    }
    sequencer.toolStart(call.key, id, toolName(call.name));
    if (call.pending) sequencer.toolInput(call.key, call.pending);
    call.pending = '';
  }

  return {
    /** @param index the call's index, if the delta has one */
    push(delta: ToolCallDelta, index: number | undefined): void {
      const name = delta.function?.name || undefined;
      const raw = delta.function?.arguments;
      const json = typeof raw === 'string' ? raw : raw ? JSON.stringify(raw) : '';
      const call = callFor(index, delta.id || undefined, name, json);
      for (const other of calls) if (other !== call) start(other);
      if (delta.extra_content) call.extra = delta.extra_content;
      if (name && call.name === undefined) call.name = name;
      else if (name && call.name && isMoreOfName(call, name, json)) call.name += name;
      if (call.started) sequencer.toolInput(call.key, json);
      else call.pending += json;
      // An unknown name may be the first part of one; it is complete when the arguments begin.
      if (call.name !== undefined && (call.pending !== '' || isOffered(call.name))) start(call);
    },
    /** Other content, or the end, completes open names. */
    settle(): void {
      for (const call of calls) start(call);
    },
  };
}
