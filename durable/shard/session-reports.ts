// Reports in band: what a device says of its own socket, as far as this object can vouch for it.
import { medianOf } from "#shared/protocol/device-report.ts";
import type { Report } from "#shared/resume/frames.ts";
import type { HostShell, Live } from "./host-shell.ts";
import type { SessionLimits } from "./session-limits.ts";
import { attach, attachmentOf } from "./socket-io.ts";

export class SessionReports {
  readonly #shell: Pick<HostShell, "news">;
  readonly #limits: SessionLimits;

  constructor(shell: Pick<HostShell, "news">, limits: SessionLimits) {
    this.#shell = shell;
    this.#limits = limits;
  }

  take(live: Live, report: Report, socket: WebSocket): void {
    const { route, state } = live;
    const attachment = attachmentOf(socket);
    const news = this.#shell.news();
    if (!this.#limits.mayReport(live, attachment)) return news.countFault(route, "report-too-soon");
    const { flow, device } = route;
    news.report(route, { ...report, flow, reports: 1 });
    // A connection that broke was followed by this one: on one that has lasted since the last report, none did.
    const drops = attachment.hasReported === true ? 0 : report.drops;
    if (attachment.hasReported !== true) attach(socket, { ...attachment, hasReported: true });
    news.hear(route, { flow, device, latencyMs: medianOf(report.latenciesMs), drops }, state.sessionId);
  }
}
