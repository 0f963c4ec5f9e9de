import type { DataSource } from 'typeorm';

/** Opens a DataSource when it is first needed, and tries again when it could not be opened. */
export class Opening {
  /** Read on hot paths, where awaiting a settled promise costs too much. */
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
