import { PriorityQueue } from "@datastructures-js/priority-queue";
import FlatQueue from "flatqueue";
import TinyQueue from "tinyqueue";
import { FairQueue, type FairQueueOptions, type QueueItem } from "#wasm/binding/fair-queue.ts";
import { ReferenceFairQueue } from "#wasm/reference/fair-queue.ts";
import { measureInTurn } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOfAnswers, contender, wordsAt } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const OWN = "kernel";
const OPERATIONS = 1_024;
const WAITING_COUNT = 10_000;
const FLOW_COUNT = 32;
const CLASS_COUNT = 4;
const AGE_STEP_MS = 1_000;
const QUEUE: FairQueueOptions = { itemCapacity: 16_384, flowCapacity: FLOW_COUNT, classCapacity: CLASS_COUNT, ageStepMs: AGE_STEP_MS };
const DEADLINE_AFTER_MS = 3_600_000;
/** Every item with a deadline of its own: the deadlines' heap is worked through, where one timeout for all leaves it in order. */
const SCATTERED = "kernel, deadlines scattered over a minute";
const SCATTER_MS = 60_000;

/** Plain heaps know neither classes nor flows, neither deadlines nor removal: they are the floor of what a queue can cost. */
export async function benchFairQueue(): Promise<BenchRow[]> {
  const [own, checked, twin] = [filled(newQueue()), filled(newQueue()), filled(new ReferenceFairQueue(QUEUE))];
  const scattered = filled(newQueue(), scatteredAt);
  const checksum = checksumOfAnswers((tick) => {
    checked.push(itemAt(tick, tick));
    return handleOf(checked.pop(tick));
  });
  const { peers, missing } = cPeers({ program: "fair-queue", args: [300_000], checksum });
  const flat = new FlatQueue(QUEUE.itemCapacity);
  const tiny = new TinyQueue<Ranked>([], byRank);
  const priority = new PriorityQueue<Ranked>(byRank);
  for (let index = 0; index < WAITING_COUNT; index += 1) {
    const rank = rankAt(index, 0);
    flat.push(index, rank);
    tiny.push({ rank, index });
    priority.push({ rank, index });
  }
  const figures = await measureInTurn([
    contender(OWN, OPERATIONS, (index, nowMs) => {
      own.push(itemAt(index, nowMs));
      return handleOf(own.pop(nowMs));
    }),
    contender(SCATTERED, OPERATIONS, (index, nowMs) => {
      scattered.push(scatteredAt(index, nowMs));
      return handleOf(scattered.pop(nowMs));
    }),
    contender("twin", 1, (index, nowMs) => {
      twin.push(itemAt(index, nowMs));
      return handleOf(twin.pop(nowMs));
    }),
    contender("flatqueue", OPERATIONS, (index, nowMs) => {
      flat.push(index, rankAt(index, nowMs));
      return flat.pop() ?? -1;
    }),
    contender("tinyqueue", OPERATIONS, (index, nowMs) => {
      tiny.push({ rank: rankAt(index, nowMs), index });
      return tiny.pop()?.index ?? -1;
    }),
    contender("@datastructures-js/priority-queue", OPERATIONS, (index, nowMs) => {
      priority.push({ rank: rankAt(index, nowMs), index });
      return priority.pop()?.index ?? -1;
    }),
    ...peers,
  ]);
  const name = "fair queue: push + pop at 10,000 in 32 flows";
  const limits = { budgetNs: 250, ratioMax: { flatqueue: 2 }, missing };
  return [
    rowOf({ name, figures, own: OWN, ...limits }),
    rowOf({ name: `${name}, scattered deadlines`, figures, own: SCATTERED, ...limits }),
  ];
}

function newQueue(): FairQueue {
  return new FairQueue(kernelsFor(4_194_304), QUEUE);
}

function filled<Queue extends Pick<FairQueue, "openFlow" | "push" | "setClassWeight">>(queue: Queue, of = itemAt): Queue {
  for (let classIndex = 0; classIndex < CLASS_COUNT; classIndex += 1) queue.setClassWeight(classIndex, 1 + classIndex);
  for (let flow = 0; flow < FLOW_COUNT; flow += 1)
    queue.openFlow({ classIndex: flow % CLASS_COUNT, weight: 1 + (flow % 5), lengthMax: QUEUE.itemCapacity });
  for (let index = 0; index < WAITING_COUNT; index += 1) queue.push(of(index, 0));
  return queue;
}

/** A millisecond goes by with each operation. */
function itemAt(index: number, nowMs: number): QueueItem {
  const [a, b] = wordsAt(index);
  const cost = 1 + ((a >>> 16) & 15);
  return { flowIndex: a >>> 27, urgency: b >>> 29, cost, arrivalMs: nowMs, deadlineMs: nowMs + DEADLINE_AFTER_MS };
}

function scatteredAt(index: number, nowMs: number): QueueItem {
  const item = itemAt(index, nowMs);
  return { ...item, deadlineMs: item.deadlineMs + ((wordsAt(index)[1] & 0xffff) % SCATTER_MS) };
}

function handleOf(answer: number): number {
  if (answer < 0) throw new Error("Cannot measure the queue: it gives nothing, expected an item that waits");
  return answer;
}

interface Ranked {
  readonly rank: number;
  readonly index: number;
}

function byRank(a: Ranked, b: Ranked): number {
  return a.rank - b.rank;
}

function rankAt(index: number, nowMs: number): number {
  return Math.floor(nowMs / AGE_STEP_MS) + (wordsAt(index)[1] >>> 29);
}
