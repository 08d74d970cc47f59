// Several gateway processes as one cluster of workerd: each with a disk of its own, their objects spread over them by way of a
// bucket. Whoever dies leaves its objects to the others.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState, type State } from "#cli/state.ts";
import { BUNDLE_FILE, BUNDLE_FOLDER } from "#scripts/build.ts";
import { workerdConfig } from "#scripts/local/workerd-config.ts";
import { startWorkerd, type WorkerdProcess } from "#scripts/local/workerd-process.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { startBucket, type Bucket } from "./bucket.ts";

export interface Member {
  readonly url: string;
  /** False: its process has ended, for whatever reason. */
  readonly isRunning: boolean;
  /** Without a word. */
  kill(): Promise<void>;
  /** One that has ended, as a supervisor starts it: on the disk that it had. */
  restart(): Promise<Member>;
}

export interface Cluster {
  readonly members: readonly Member[];
  readonly state: State;
  readonly logs: readonly string[];
  apply(documents: readonly ConfigurationDocument[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(count: number): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-cluster-"));
  const bucket = await startBucket();
  const operatorKey = randomBytes(32).toString("base64url");
  const clusterKey = randomBytes(32).toString("hex");
  const logs: string[] = [];
  const processes: WorkerdProcess[] = [];
  const start = async (index: number, configFile: string): Promise<Member> => {
    const started = await startWorkerd({ configFile, options: ["--experimental"], onLog: (line) => logs.push(`${index} ${line}`) });
    if (started === null) throw new Error(`Cannot start process ${index} of the cluster: ${logs.slice(-5).join("\n")}`);
    processes.push(started);
    const { port, leashPid, ended } = started;
    let isRunning = true;
    void ended.then(() => (isRunning = false));
    return {
      url: `http://127.0.0.1:${port}`,
      get isRunning() {
        return isRunning;
      },
      async kill() {
        const children = await readFile(`/proc/${leashPid}/task/${leashPid}/children`, "utf8");
        process.kill(Number(children.trim().split(" ")[0]), "SIGKILL");
        await ended;
      },
      restart: async () => start(index, configFile),
    };
  };
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map(async (one) => one.stop()));
    await bucket.close();
    await rm(folder, { recursive: true, force: true });
  };
  const starting = await Promise.allSettled(
    Array.from({ length: count }, async (_, index) =>
      start(index, await configureMember({ folder, index, bucket, operatorKey, clusterKey })),
    ),
  );
  const members = starting.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = starting.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const state = openState(folder);
  return {
    members,
    state,
    logs,
    async apply(documents) {
      const [{ url } = { url: "" }] = members;
      const applied = await applyConfiguration({ url, operatorKey, documents: await resolveStateKeys(documents, state) });
      if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
    },
    stop,
  };
}

interface MemberConfiguration {
  readonly folder: string;
  readonly index: number;
  readonly bucket: Bucket;
  readonly operatorKey: string;
  readonly clusterKey: string;
}

/** Writes what a member starts with, and makes its disk. Gives the file. */
async function configureMember({ folder, index, bucket, operatorKey, clusterKey }: MemberConfiguration): Promise<string> {
  const configFile = join(folder, `workerd-${index}.capnp`);
  const objectsFolder = join(folder, `objects-${index}`);
  await mkdir(objectsFolder);
  const one = await workerdConfig({
    configFile,
    bundleFile: BUNDLE_FILE,
    wasmFile: join(BUNDLE_FOLDER, "tidegate.wasm"),
    objectsFolder,
    socket: { host: "127.0.0.1", port: 0 },
    operatorKeySha256: createHash("sha256").update(operatorKey).digest("hex"),
  });
  const settings = [`aws_endpoint=${bucket.url}`, "aws_region=auto", "aws_access_key_id=test", "aws_secret_access_key=test"];
  const cluster = `  cluster = (
    bucket = "s3://${bucket.name}/objects",
    bucketOptions = [${settings.map((setting) => JSON.stringify(setting)).join(", ")}],
    address = "127.0.0.1:0",
    key = "${clusterKey}",
  ),
);`;
  // The first closing bracket of a line of its own ends the configuration.
  await writeFile(configFile, one.replace("\n);", `\n${cluster}`), { mode: 0o600 });
  return configFile;
}
