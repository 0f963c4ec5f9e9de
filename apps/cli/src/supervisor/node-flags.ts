/**
 * Flags of Node for masters. A build makes thousands of objects that die with it. In V8's default space for young objects (three times
 * 16 MB) many live long enough to be copied, and then to count as old. With four times as much an engine under load takes 12 % less CPU and
 * 80 MB more memory, a UI 14 % less and 30 MB more (`docs/performance.md`, "Unmodified workers").
 */
export const NODE_FLAGS_OF_MASTERS: readonly string[] = ['--max-semi-space-size=64'];
