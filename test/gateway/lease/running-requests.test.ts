import { expect, it } from "vitest";
import { RunningRequests, type RunningRequest } from "#gateway/lease/running-requests.ts";

function requestOf(startedAtMs: number, requests: RunningRequests, givenUp: number[]): RunningRequest {
  const request: RunningRequest = {
    startedAtMs,
    before: null,
    after: null,
    giveUp() {
      givenUp.push(startedAtMs);
      requests.leave(request);
    },
  };
  requests.enter(request);
  return request;
}

it("gives up the requests that began too long ago, and nobody else", () => {
  const requests = new RunningRequests();
  const givenUp: number[] = [];
  const [first, , third] = [1, 2, 3, 4, 5].map((atMs) => requestOf(atMs, requests, givenUp));
  if (first === undefined || third === undefined) throw new Error("there are five");
  requests.leave(first);
  requests.leave(third);
  requests.giveUpBefore(5);
  expect(givenUp).toEqual([2, 4]);
  requests.giveUpBefore(5);
  expect(givenUp).toEqual([2, 4]);
  requests.giveUpBefore(6);
  requestOf(7, requests, givenUp);
  requests.giveUpBefore(100);
  expect(givenUp).toEqual([2, 4, 5, 7]);
});
