// The compiled module, as workerd gives it. Node reads the same file itself (test/support/kernels.ts).
export { default as kernelsModule } from "#wasm/build/tidegate.wasm";
