// The first event of a connection: the endpoint takes it by answering with the same.
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import type { RetryBudget } from "#shared/retry-budget.ts";
import { failed, type PostAnswer } from "./event-post.ts";
import { post, type SpendTime } from "./http-leg.ts";
import { wait } from "./leg.ts";
import type { SessionRoute } from "./session-store.ts";

export interface Opening extends Pick<SocketAssignment, "startedAtMs" | "retry"> {
  /** Of the Shard object. */
  readonly budget: RetryBudget;
  readonly spend: SpendTime;
  readonly isPlain?: boolean;
}

/** Before the second attempt at most; each later one may wait four times as long. */
const WAIT_MS_FIRST = 50;
const WAIT_MS_MAX = 5_000;

/**
 * An endpoint that breaks off before it answers anything is asked again, with the same connection's id, as often as its service's `retry`
 * allows and within its deadline: most often that was an idle connection which it closed just then. An answer is never asked for again.
 */
export async function openOverHttp(
  sessionId: string,
  route: SessionRoute,
  { startedAtMs, retry, budget, spend, isPlain = false }: Opening,
): Promise<PostAnswer> {
  const untilMs = startedAtMs + route.deadlineMs;
  if (retry !== undefined) budget.earn(retry.budgetRatio);
  for (let attempt = 1; ; attempt += 1) {
    const deadlineMs = Math.max(0, untilMs - Date.now());
    const answer = await post(route, { sessionId, events: [{ type: "OPEN" }], isPlain, deadlineMs, spend });
    if (answer.ok) return answer.events[0]?.type === "OPEN" ? answer : NOT_OPENED;
    const waitMs = Math.random() * Math.min(WAIT_MS_MAX, WAIT_MS_FIRST * 4 ** (attempt - 1));
    const mayRepeat = answer.silence === "broken" && attempt < (retry?.attemptsMax ?? 1) && Date.now() + waitMs < untilMs;
    if (!mayRepeat || !budget.take()) return attempt === 1 ? answer : { ...answer, detail: `${answer.detail}, in ${attempt} attempts` };
    await wait(waitMs);
  }
}

const NOT_OPENED = failed("the endpoint answered OPEN without one of its own", true);
