// Uses the built TypeScript client before a desk, and tells what came of it as JSON.
// node desk.mjs FOLDER_OF_THE_BUILD real|scripted URL TOKEN [PICTURE...]

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [build, kind, url, token, ...pictures] = process.argv.slice(2);
const { ApiError, ConnectionFailed, Desk } = await import(pathToFileURL(`${build}/index.js`).href);
const desk = new Desk({ url, token, retries: { first: 0.01, most: 4 } });

const NOBODY = "0198c0de-0000-7000-8000-000000000000";

async function refused(asked) {
  try {
    await asked;
  } catch (error) {
    const kind = error instanceof ApiError ? "ApiError" : error instanceof ConnectionFailed ? "ConnectionFailed" : "?";
    return { kind, code: error.code, attr: error.attr, status: error.status, requestId: error.requestId };
  }
  return null;
}

async function real() {
  const images = [];
  for (const path of pictures) {
    images.push(await desk.upload(new Blob([await readFile(path)]), { filename: "scene.jpg", wait: 60, num_beams: 2 }));
  }
  const [first] = images;
  const job = await desk.waitForJob((await desk.caption(first.id, { num_captions: 2, do_sample: true, seed: 7 })).id);
  const listed = [];
  for await (const image of desk.images({ limit: 2, state: ["draft"] })) listed.push(image.id);
  const turns = await desk.nextReviews(5);
  const approved = await desk.review(first.id, { decision: "approve" });
  await desk.undoReview(first.id);
  const edited = await desk.review(first.id, { decision: "edit", text: "Three shapes." });
  await desk.deleteImage(images.at(-1).id);
  const bulk = await desk.waitForBulk((await desk.bulkTag([first.id, NOBODY], ["coast"])).id);
  return {
    me: (await desk.me()).username,
    caption: first.caption.text,
    job: [job.state, job.captions.length],
    listed: listed.length,
    turns: turns.length,
    approved: approved.state,
    published: edited.published_caption.text,
    albums: (await desk.ask(desk.api.POST("/api/v1/albums/", { body: { name: "Harbour" } }))).name,
    missing: await refused(desk.image(NOBODY)),
    wrong: await refused(desk.caption(first.id, { num_beams: 99 })),
    bulk: [bulk.state, bulk.done, bulk.failures.map((one) => one.code)],
    address: (await refused(desk.addByUrl("http://10.0.0.1/x.jpg"))).code,
    hook: (await refused(desk.makeWebhook({ name: "a", url: "http://10.0.0.1/", events: ["job.failed"] }))).code,
    left: (await desk.image(first.id)).state,
  };
}

async function scripted() {
  return { me: (await desk.me()).username, refused: await refused(desk.upload(new Blob(["bytes"]), { filename: "a" })) };
}

console.log(JSON.stringify(kind === "real" ? await real() : await scripted()));
