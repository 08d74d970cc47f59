// The device SDK: `fetch` and sockets that outlive their connections. No dependencies; browsers, Node and Workers.
export { TidegateClient, type ClientOptions } from "./client.ts";
export type { TokenSource } from "./credentials.ts";
export type { Measurements } from "./meter.ts";
export type { Platform, SocketLike } from "./platform.ts";
export type { Socket } from "./socket.ts";
export type { SocketEnd, SocketOptions } from "./socket-options.ts";
export type { Payload } from "#shared/resume/frames.ts";
export type { SessionEnd } from "#shared/resume/step-device.ts";
