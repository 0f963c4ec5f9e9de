import { runMaster } from '@millrace/master';
import { UiModule } from './ui.module.js';

await runMaster({ role: 'ui', setup: async (master) => ({ module: UiModule.with(master) }) });
