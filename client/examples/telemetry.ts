// A device that sends measurements and takes commands, for as long as its process lives.
import { TidegateClient } from "../index.ts";

export function startTelemetry(url: string, token: () => Promise<string>, signal: AbortSignal): (value: number) => boolean {
  const client = new TidegateClient({ url, token });
  const socket = client.connect("telemetry", {
    signal,
    onMessage: (command) => console.log("command", command),
    onLost: ({ unacknowledged }) => {
      // The application's choice: measurements that may have arrived already are sent once more.
      for (const { payload } of unacknowledged) socket.send(payload);
    },
    onEnd: (end) => console.log("over", end.kind),
  });
  return (value) => socket.send(JSON.stringify({ value }));
}
