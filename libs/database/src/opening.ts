import type { DataSource } from 'typeorm';

/** Opens a DataSource when it is first needed, and tries again after it could not be opened. */
export class Opening {
  /** Asked on hot paths, where waiting for what has long happened costs something. */
  isOpen = false;
  private opening: Promise<void> | null = null;

  constructor(private readonly source: DataSource) {}

  opened(): Promise<void> {
    this.opening ??= this.open();
    return this.opening;
  }

  private async open(): Promise<void> {
    try {
      await this.source.initialize();
      this.isOpen = true;
    } catch (error) {
      this.opening = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.opening?.catch(() => undefined);
    if (this.source.isInitialized) await this.source.destroy();
  }
}
