/** What can go wrong, and what the desk said about it. */

/** One thing that is wrong: a stable code for programs, words for people, the field or parameter it is about. */
export interface Entry {
  readonly code: string;
  readonly detail: string;
  readonly attr: string | null;
}

/** Anything that this package throws by itself. */
export class CaptionDeskError extends Error {
  override name = "CaptionDeskError";
  /** Stable, for programs. */
  readonly code: string;

  constructor(code: string, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}

/** No answer came, however often it was tried; `cause` is the last failure of the line. */
export class ConnectionFailed extends CaptionDeskError {
  override name = "ConnectionFailed";

  constructor(cause: unknown) {
    super("connection_failed", `No answer came from the desk: ${String(cause)}`, { cause });
  }
}

/** What was waited for did not come in time; nothing is lost, and asking again later is fine. */
export class WaitedTooLong extends CaptionDeskError {
  override name = "WaitedTooLong";

  constructor(detail: string) {
    super("waited_too_long", detail);
  }
}

/** The desk refused a request. `entries` has all that is wrong; `code`, `message` and `attr` are the first one's. */
export class ApiError extends CaptionDeskError {
  override name = "ApiError";
  readonly status: number;
  readonly entries: readonly Entry[];
  readonly attr: string | null;
  /** Quote it when something is the desk's fault. */
  readonly requestId: string | null;
  /** Seconds to wait before trying again, where the desk says so. */
  readonly retryAfter: number | null;

  constructor(response: Response, told: unknown) {
    const entries = entriesOf(told);
    const first = entries[0] ?? unexplained(response.status);
    super(first.code, first.detail);
    this.status = response.status;
    this.entries = entries.length ? entries : [first];
    this.attr = first.attr;
    this.requestId = response.headers.get("X-Request-ID");
    this.retryAfter = retryAfter(response.headers);
  }
}

/** Read Retry-After, which is a number of seconds or a date; null when it is absent or neither. */
export function retryAfter(headers: Headers, now: number = Date.now()): number | null {
  const raw = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d+$/.test(raw)) return Number(raw);
  const when = Date.parse(raw);
  return Number.isNaN(when) || /^-?[\d.]+$/.test(raw) ? null : Math.max(0, (when - now) / 1000);
}

/** The code of the first thing that is wrong, when a body is one of the desk's refusals. */
export function codeOf(told: unknown): string | null {
  return entriesOf(told)[0]?.code ?? null;
}

function entriesOf(told: unknown): Entry[] {
  const errors = isObject(told) && Array.isArray(told["errors"]) ? (told["errors"] as unknown[]) : [];
  return errors.filter(isObject).map((one) => ({
    code: String(one["code"]),
    detail: String(one["detail"]),
    attr: typeof one["attr"] === "string" ? one["attr"] : null,
  }));
}

function unexplained(status: number): Entry {
  const detail =
    status >= 500 || status === 429
      ? `The desk cannot be reached behind its address (status ${status}).`
      : `The answer with status ${status} is none of a Caption Desk's. Check the address.`;
  return { code: "unexpected_answer", detail, attr: null };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
