/**
 * The SDK makes a report of this process (`process.report.getReport()`) at each start of an agent, to learn which libc the
 * machine has. By default a report has the name of every connected address, each looked up while everything waits: measured, a
 * server without an answer of its name server stood still for 10 s and lost its lease, and 500 connections took 80 ms with one
 * (25 ms without the names).
 */
export function keepReportsShort(): void {
  // Node 22.13 has it; its types do not.
  const report: (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined = process.report;
  if (report) report.excludeNetwork = true;
}
