/** Whether the operating system said no, and with this code if one is given. */
export function isSystemError(error: unknown, code?: string): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && typeof error.code === "string" && (code === undefined || error.code === code);
}
