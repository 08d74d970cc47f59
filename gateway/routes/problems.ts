import { Hono } from "hono";
import { isRefusalOutcome, REFUSALS, type OutcomeShape } from "#shared/errors/outcomes.ts";
import { refuse } from "#shared/errors/refusal.ts";
import type { AppEnv } from "../app-env.ts";
import { answerRefusal, PROBLEM_PATH } from "../problem.ts";

/** Where a problem's `type` leads: what it means, in a sentence. */
export const problems = new Hono<AppEnv>().get(`${PROBLEM_PATH}:outcome`, async (c) => {
  const outcome = c.req.param("outcome");
  if (!isRefusalOutcome(outcome))
    return answerRefusal(c.var.scope, refuse("unknown-route", `There is no problem ${JSON.stringify(outcome.slice(0, 64))}.`));
  const { status, title }: OutcomeShape = REFUSALS[outcome];
  return c.text(`${outcome} (status ${status}): ${title}.\n`);
});
