/** When a request is sent again, after how long, and when it is given up. */

import { codeOf, ConnectionFailed, retryAfter } from "./errors.js";

/** How patient a client is. Times are in seconds. */
export interface Retries {
  /** Tries of one request at most. */
  readonly most: number;
  /** All tries of one request together, with the pauses between them. */
  readonly seconds: number;
  /** The pause before the second try; each further one is twice as long, drawn from its upper half. */
  readonly first: number;
  /** The longest pause, unless the desk asks for a longer one by Retry-After. */
  readonly longest: number;
  /** How long the desk may be silent, on top of the `wait` of a request. */
  readonly silence: number;
}

export const RETRIES: Retries = { most: 6, seconds: 120, first: 0.5, longest: 20, silence: 45 };

const KEY = "Idempotency-Key";
/** Answers that may be another one in a moment. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** The desk still works on this very request, which came with the same key before: its answer is yet to come. */
const IN_PROGRESS = "idempotency_in_progress";

export type Fetch = (request: Request) => Promise<Response>;

/** Give a fetch that sends a request until an answer comes that counts. A POST gets one key for all its tries. */
export function resending(retries: Retries, fetch: Fetch = (request) => globalThis.fetch(request)): Fetch {
  return async (request) => {
    const keyed = withKey(request);
    const end = Date.now() + retries.seconds * 1000;
    for (let tries = 1; ; tries++) {
      const came = await once(fetch, keyed, retries);
      const passing = came instanceof ConnectionFailed || (await passes(came));
      const wait = pauseAfter(tries, retries, came instanceof Response ? retryAfter(came.headers) : null);
      if (passing && tries < retries.most && Date.now() + wait * 1000 <= end) {
        await pause(wait, request.signal);
        continue;
      }
      if (came instanceof ConnectionFailed) throw came;
      return came;
    }
  };
}

/** Wait. Throws the signal's reason when it is aborted meanwhile. */
export async function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((done, broken) => {
    const timer = setTimeout(finish, seconds * 1000);
    function finish(): void {
      signal?.removeEventListener("abort", stop);
      done();
    }
    function stop(): void {
      clearTimeout(timer);
      broken(signal?.reason as Error);
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function pauseAfter(tries: number, retries: Retries, asked: number | null): number {
  const length = Math.min(retries.longest, retries.first * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
  return asked === null ? length : Math.max(length, asked + length / 10);
}

function withKey(request: Request): Request {
  if (request.method !== "POST" || request.headers.has(KEY)) return request;
  const keyed = new Request(request);
  keyed.headers.set(KEY, drawn());
  return keyed;
}

/** Draw a key. It must be another one each time, and need not be secret. */
function drawn(): string {
  const random = () => Math.random().toString(36).slice(2);
  // Node 18 has no global `crypto`, nor has a page that came unencrypted.
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${random()}-${random()}`;
}

async function once(fetch: Fetch, request: Request, retries: Retries): Promise<Response | ConnectionFailed> {
  const patience = retries.silence + Number(new URL(request.url).searchParams.get("wait") ?? 0);
  const given = new AbortController();
  const silence = setTimeout(() => given.abort(new Error(`nothing came for ${patience} seconds`)), patience * 1000);
  request.signal.addEventListener("abort", () => given.abort(request.signal.reason), { once: true });
  try {
    request.signal.throwIfAborted();
    // A body can be read once: each try has its copy.
    return await fetch(new Request(request.clone(), { signal: given.signal }));
  } catch (error) {
    if (request.signal.aborted) throw error; // the caller changed their mind
    return new ConnectionFailed(error);
  } finally {
    clearTimeout(silence);
  }
}

async function passes(response: Response): Promise<boolean> {
  if (PASSING.has(response.status)) return true;
  if (response.status !== 409) return false;
  const told: unknown = await response
    .clone()
    .json()
    .catch(() => null);
  return codeOf(told) === IN_PROGRESS;
}
