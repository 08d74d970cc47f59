// An assert that fails traps. No message crosses to the host: kernels know no strings, and the binding
// checks ranges before it calls, so a trap here is a bug of ours.
export function abort(_message: usize, _fileName: usize, _line: u32, _column: u32): void {
  unreachable();
}
