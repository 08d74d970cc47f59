// A bucket in memory that speaks as much of S3 as a cluster of workerd processes does: objects with entity tags,
// conditional writes and deletes, ranges, lists. Not for anything but tests: it checks no signature.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Bucket {
  readonly url: string;
  readonly name: string;
  /** Requests that it did not know what to do with. */
  readonly unknown: readonly string[];
  readonly keys: readonly string[];
  close(): Promise<void>;
}

interface Stored {
  readonly body: Buffer;
  readonly tag: string;
  readonly atMs: number;
}

const NAME = "tidegate";
const LIST_KEYS_MAX = 1_000;

export async function startBucket(): Promise<Bucket> {
  const objects = new Map<string, Stored>();
  const unknown: string[] = [];
  const server = createServer((request, response) => {
    answer(objects, request, response).then(
      (isKnown) => void (isKnown || unknown.push(`${request.method} ${request.url}`)),
      (error: unknown) => {
        unknown.push(`${request.method} ${request.url}: ${String(error)}`);
        response.destroy();
      },
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    name: NAME,
    unknown,
    get keys() {
      return [...objects.keys()];
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** False: no request that it knows. */
async function answer(objects: Map<string, Stored>, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const url = new URL(request.url ?? "/", "http://bucket");
  const key = decodeURIComponent(url.pathname.slice(`/${NAME}/`.length));
  const known = objects.get(key);
  if (request.method === "GET" && key === "") {
    list(objects, url, response);
    return true;
  }
  if (!mayGoOn(request, known)) {
    response.writeHead(412).end();
    return true;
  }
  if (request.method === "PUT") {
    const stored = storedOf(Buffer.concat(chunks));
    objects.set(key, stored);
    response.writeHead(200, { etag: stored.tag }).end();
  } else if (request.method === "DELETE") {
    objects.delete(key);
    response.writeHead(204).end();
  } else if (request.method === "GET" || request.method === "HEAD") {
    if (known === undefined) response.writeHead(404, { "content-type": "application/xml" }).end("<Error><Code>NoSuchKey</Code></Error>");
    else read(known, request, response);
  } else {
    response.writeHead(501).end();
    return false;
  }
  return true;
}

let writeCount = 0;

/** Each write has a tag of its own, as if each were other bytes: a conditional write must not mistake one for another. */
function storedOf(body: Buffer): Stored {
  writeCount += 1;
  const digest = createHash("md5").update(body).update(String(writeCount)).digest("hex");
  return { body, tag: `"${digest}"`, atMs: Date.now() };
}

function mayGoOn({ headers }: IncomingMessage, known: Stored | undefined): boolean {
  if (headers["if-none-match"] === "*" && known !== undefined) return false;
  return headers["if-match"] === undefined || headers["if-match"] === known?.tag;
}

function read({ body, tag, atMs }: Stored, { method, headers }: IncomingMessage, response: ServerResponse): void {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  const from = first === undefined ? 0 : Number(first);
  const part = first === undefined ? body : body.subarray(from, last ? Number(last) + 1 : undefined);
  response.writeHead(first === undefined ? 200 : 206, {
    etag: tag,
    "content-length": part.length,
    "last-modified": new Date(atMs).toUTCString(),
    ...(first !== undefined && { "content-range": `bytes ${from}-${from + part.length - 1}/${body.length}` }),
  });
  response.end(method === "HEAD" ? undefined : part);
}

function list(objects: ReadonlyMap<string, Stored>, url: URL, response: ServerResponse): void {
  const of = (name: string): string => url.searchParams.get(name) ?? "";
  const after = of("continuation-token") || of("start-after");
  const matching = [...objects].filter(([key]) => key.startsWith(of("prefix")) && key > after).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const page = matching.slice(0, Math.min(LIST_KEYS_MAX, Number(of("max-keys") || LIST_KEYS_MAX)));
  const isCut = page.length < matching.length;
  const contents = page.map(
    ([key, { body, tag, atMs }]) =>
      `<Contents><Key>${key}</Key><ETag>${tag.replaceAll('"', "&quot;")}</ETag><Size>${body.length}</Size><LastModified>${new Date(atMs).toISOString()}</LastModified></Contents>`,
  );
  const next = isCut ? `<NextContinuationToken>${page.at(-1)?.[0]}</NextContinuationToken>` : "";
  response.writeHead(200, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>${NAME}</Name><Prefix>${of("prefix")}</Prefix><KeyCount>${page.length}</KeyCount><IsTruncated>${isCut}</IsTruncated>${next}${contents.join("")}</ListBucketResult>`,
  );
}
