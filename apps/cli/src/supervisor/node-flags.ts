/**
 * Flags of Node for masters. A build makes thousands of objects that die with it. In V8's default space for young objects (16 MB, three
 * times) many live long enough to be copied, and then to count as old. With four times as much, masters build 8 to 16 % more with the same
 * CPU (`docs/performance.md`, "Unmodified workers"); a busy engine takes some 100 MB more memory, an idle one none.
 */
export const NODE_FLAGS_OF_MASTERS: readonly string[] = ['--max-semi-space-size=64'];
