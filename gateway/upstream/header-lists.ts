/** Members of a comma-separated header, without blanks and without empty ones. */
export function splitList(value: string | null): string[] {
  if (value === null) return [];
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
