/** A client of Caption Desk's REST API, typed by its contract. */

import createClient, { type Client } from "openapi-fetch";

import type { components, operations, paths } from "./contract.js";
import { ApiError, WaitedTooLong } from "./errors.js";
import { type Fetch, pause, resending, RETRIES, type Retries } from "./resending.js";

export type { components, operations, paths } from "./contract.js";
export { ApiError, CaptionDeskError, ConnectionFailed, type Entry, WaitedTooLong } from "./errors.js";
export type { Fetch, Retries } from "./resending.js";

type Schemas = components["schemas"];
export type Image = Schemas["Image"];
export type ImageWithJobs = Schemas["ImageWithJobs"];
export type Caption = Schemas["Caption"];
export type Job = Schemas["Job"];
export type Me = Schemas["Me"];
export type Turn = Schemas["Turn"];
export type Album = Schemas["Album"];
export type GenerationParams = Schemas["JobRequestRequest"];
export type ImageQuery = NonNullable<operations["list_images"]["parameters"]["query"]>;
export type Decision = Schemas["DecisionRequest"];
export type BulkJob = Schemas["BulkJob"];
export type Webhook = Schemas["Webhook"];
export type NewWebhook = Schemas["NewWebhook"];
export type NewWebhookRequest = Schemas["WebhookBodyRequest"];

export interface Options {
  /** The desk's address, such as https://captions.example.org. */
  readonly url: string;
  readonly token: string;
  readonly retries?: Partial<Retries>;
  /** Sends one request once; the platform's own fetch when it is not given. */
  readonly fetch?: Fetch;
}

export interface UploadOptions extends GenerationParams {
  readonly filename?: string;
  /** Seconds to give the caption, at most 60; `caption` is null when that was not enough. */
  readonly wait?: number;
}

/** What openapi-fetch answers. */
interface Came<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

const FIRST_LOOK = 0.25; // seconds between two looks at a job: at first, and in the long run
const LATER_LOOK = 5;

/**
 * A desk. `api` reaches every operation, typed by the contract: `desk.api.GET("/api/v1/me/")`; `ask` turns its answer
 * into data or an ApiError. The methods beside it are what most programs need. Whatever way a request goes, it is sent
 * again after a broken line or an answer that passes, and every POST has a key by which the desk knows it again.
 */
export class Desk {
  readonly api: Client<paths>;

  constructor(options: Options) {
    this.api = createClient<paths>({
      baseUrl: options.url.replace(/\/+$/, ""),
      headers: { Authorization: `Bearer ${options.token}`, Accept: "application/json" },
      redirect: "manual", // the token is for this address alone
      fetch: resending({ ...RETRIES, ...options.retries }, options.fetch),
    });
  }

  /** Give an answer's data. Throws ApiError. */
  async ask<T>(asked: Promise<Came<T>>): Promise<T> {
    const { data, error, response } = await asked;
    if (!response.ok) throw new ApiError(response, error);
    return data as T;
  }

  /** Who you are, your pictures by state, the model that answers, the limits of uploads. */
  me(): Promise<Me> {
    return this.ask(this.api.GET("/api/v1/me/"));
  }

  /** Upload a picture and have it captioned; give the one that is there when the desk has these bytes already. */
  upload(picture: Blob, options: UploadOptions = {}): Promise<ImageWithJobs> {
    const { filename = "picture", wait, ...params } = options;
    const form = new FormData();
    for (const [name, value] of Object.entries(params)) {
      if (value !== null && value !== undefined) form.append(name, String(value));
    }
    form.append("file", picture, filename);
    return this.ask(
      this.api.POST("/api/v1/images/", {
        params: { query: wait === undefined ? {} : { wait } },
        // The contract writes a file as a string; a form carries its bytes.
        body: form as unknown as Schemas["UploadRequest"],
        bodySerializer: () => form,
      }),
    );
  }

  /** Go through your pictures, page by page as you go on; `q` takes what the search field takes. */
  async *images(query: ImageQuery = {}): AsyncGenerator<Image, void, undefined> {
    let asked: ImageQuery = query;
    for (;;) {
      const page = await this.ask(this.api.GET("/api/v1/images/", { params: { query: asked } }));
      yield* page.results;
      if (page.next === null) return;
      // Only the cursor is taken: whoever could write another host there would else be sent the token.
      const cursor = new URL(page.next, "http://desk.invalid").searchParams.get("cursor");
      if (cursor === null) return;
      asked = { ...query, cursor };
    }
  }

  image(id: string): Promise<ImageWithJobs> {
    return this.ask(this.api.GET("/api/v1/images/{image_id}/", { params: { path: { image_id: id } } }));
  }

  /** Put a picture into the trash. */
  async deleteImage(id: string): Promise<void> {
    await this.ask(this.api.DELETE("/api/v1/images/{image_id}/", { params: { path: { image_id: id } } }));
  }

  /** Have a picture captioned again; earlier captions stay. */
  caption(id: string, params: GenerationParams = {}, wait?: number): Promise<Job> {
    const query = wait === undefined ? {} : { wait };
    return this.ask(
      this.api.POST("/api/v1/images/{image_id}/jobs/", { params: { path: { image_id: id }, query }, body: params }),
    );
  }

  job(id: string): Promise<Job> {
    return this.ask(this.api.GET("/api/v1/jobs/{job_id}/", { params: { path: { job_id: id } } }));
  }

  /** Look at a job until it has ended. Throws WaitedTooLong after so many seconds. */
  waitForJob(id: string, seconds = 300, signal?: AbortSignal): Promise<Job> {
    return this.ended(() => this.job(id), seconds, signal);
  }

  /** Be handed the next drafts to decide on. Send each one's `seen` with the decision. */
  nextReviews(n = 10): Promise<Turn[]> {
    return this.ask(this.api.POST("/api/v1/review/next/", { body: { n } }));
  }

  /** Approve, correct or reject a picture's caption. */
  review(id: string, decision: Decision): Promise<ImageWithJobs> {
    return this.ask(
      this.api.POST("/api/v1/images/{image_id}/review/", { params: { path: { image_id: id } }, body: decision }),
    );
  }

  /** Take your last decision on a picture back. */
  undoReview(id: string): Promise<ImageWithJobs> {
    return this.ask(this.api.POST("/api/v1/images/{image_id}/review/undo/", { params: { path: { image_id: id } } }));
  }

  /** Have the desk fetch a picture from a public address and caption it. */
  addByUrl(url: string, params: GenerationParams = {}, wait?: number): Promise<ImageWithJobs> {
    const query = wait === undefined ? {} : { wait };
    return this.ask(this.api.POST("/api/v1/images/", { params: { query }, body: { ...params, url } }));
  }

  /** Have up to 1,000 pictures captioned, as one job. */
  bulkCaption(images: readonly string[], params: GenerationParams = {}): Promise<BulkJob> {
    return this.ask(this.api.POST("/api/v1/bulk/captions/", { body: { ...params, images: [...images] } }));
  }

  /** Approve or reject what up to 1,000 pictures show, as one job. */
  bulkReview(images: readonly string[], decision: "approve" | "reject", reason?: string): Promise<BulkJob> {
    const why = reason === undefined ? {} : { reason };
    return this.ask(this.api.POST("/api/v1/bulk/reviews/", { body: { images: [...images], decision, ...why } }));
  }

  /** Put tags on up to 1,000 pictures, or take them off, as one job. */
  bulkTag(images: readonly string[], add: readonly string[], remove: readonly string[] = []): Promise<BulkJob> {
    const body = { images: [...images], add: [...add], remove: [...remove] };
    return this.ask(this.api.POST("/api/v1/bulk/tags/", { body }));
  }

  /** Put up to 1,000 pictures into the trash, as one job. */
  bulkDelete(images: readonly string[]): Promise<BulkJob> {
    return this.ask(this.api.POST("/api/v1/bulk/deletions/", { body: { images: [...images] } }));
  }

  /** Look at a bulk job until it has ended; its `failures` say what could not be done. Throws WaitedTooLong. */
  waitForBulk(id: string, seconds = 600, signal?: AbortSignal): Promise<BulkJob> {
    const path = { bulk_id: id };
    return this.ended(() => this.ask(this.api.GET("/api/v1/bulk/{bulk_id}/", { params: { path } })), seconds, signal);
  }

  /** Add a webhook; the answer has its secret, this once. */
  makeWebhook(webhook: NewWebhookRequest): Promise<NewWebhook> {
    return this.ask(this.api.POST("/api/v1/webhooks/", { body: webhook }));
  }

  private async ended<T extends { readonly state: string }>(
    look: () => Promise<T>,
    seconds: number,
    signal?: AbortSignal,
  ): Promise<T> {
    const end = Date.now() + seconds * 1000;
    for (let between = FIRST_LOOK; ; between = Math.min(between * 1.5, LATER_LOOK)) {
      const job = await look();
      if (job.state !== "queued" && job.state !== "running") return job;
      const rest = (end - Date.now()) / 1000;
      if (rest <= 0) throw new WaitedTooLong(`The job is still ${job.state} after ${seconds} seconds.`);
      await pause(Math.min(between, rest), signal);
    }
  }
}
