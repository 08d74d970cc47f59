// "At least once" made exactly once, and what a backend does that has lost what it needs for that. With restarts and lost answers on
// either side: test/simulation/resume.test.ts.
import { expect, it } from "vitest";
import { handleOnce, NOTHING_HANDLED, type DedupeState } from "#client/message-dedupe.ts";

/** A backend with its state in memory. */
class Backend {
  readonly seen: string[] = [];
  state: DedupeState = NOTHING_HANDLED;

  answer(request: { readonly first: number; readonly confirmed: number; readonly messages: readonly string[] }): readonly unknown[] {
    const { state, messages } = handleOnce(this.state, request, (message) => {
      this.seen.push(String(message));
      return [`re ${String(message)}`];
    });
    this.state = state;
    return messages;
  }
}

it("a message that comes again is answered again, and not handled again", () => {
  const backend = new Backend();
  const answers = [
    backend.answer({ first: 1, confirmed: 0, messages: ["a", "b"] }),
    backend.answer({ first: 2, confirmed: 1, messages: ["b", "c"] }),
  ];
  expect(answers).toEqual([
    ["re a", "re b"],
    ["re b", "re c"],
  ]);
  expect(backend.seen).toEqual(["a", "b", "c"]);
  expect(backend.state.answers.map(({ sequence }) => sequence)).toEqual([2, 3]);
});

it("a backend that has lost its state goes on with the session where the gateway is, and loses nothing of it", () => {
  const backend = new Backend();
  backend.answer({ first: 1, confirmed: 0, messages: ["a", "b"] });
  backend.state = NOTHING_HANDLED;
  const answers = [
    backend.answer({ first: 50, confirmed: 49, messages: ["x"] }),
    // Its answer was lost.
    backend.answer({ first: 50, confirmed: 49, messages: ["x", "y"] }),
    backend.answer({ first: 52, confirmed: 51, messages: ["z"] }),
  ];
  expect(answers).toEqual([["re x"], ["re x", "re y"], ["re z"]]);
  expect(backend.seen).toEqual(["a", "b", "x", "y", "z"]);
});

it("a backend whose state is an older one goes on, too", () => {
  const backend = new Backend();
  backend.answer({ first: 1, confirmed: 0, messages: ["a"] });
  const older = backend.state;
  backend.answer({ first: 2, confirmed: 1, messages: ["b"] });
  backend.state = older;
  expect(backend.answer({ first: 3, confirmed: 2, messages: ["c"] })).toEqual(["re c"]);
  expect(backend.seen).toEqual(["a", "b", "c"]);
  // A late one of an instance of the gateway's that is gone.
  expect(backend.answer({ first: 2, confirmed: 1, messages: ["b"] })).toEqual([]);
  expect(backend.seen).toEqual(["a", "b", "c"]);
});
