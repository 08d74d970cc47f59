/** The system may count in ticks of some milliseconds. */
const MICROS_MIN = 200_000;

/**
 * By how much one part of a large input takes longer than one of a small input, of which the large one is `factor`: near 1 where time grows
 * with size, near `factor` where with its square. In this thread's own time: neither the machine's speed nor other work on it shows.
 */
export function growthOf(
  runOf: (size: number) => () => unknown,
  { size, factor }: { readonly size: number; readonly factor: number },
): number {
  const [small, large] = [runOf(size), runOf(size * factor)];
  let rounds = 0;
  let smallMicros = 0;
  while (smallMicros < MICROS_MIN) {
    smallMicros += cpuMicrosOf(small, factor);
    rounds += 1;
  }
  return cpuMicrosOf(large, rounds) / smallMicros;
}

function cpuMicrosOf(run: () => unknown, count: number): number {
  const before = process.threadCpuUsage();
  for (let done = 0; done < count; done += 1) run();
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}
