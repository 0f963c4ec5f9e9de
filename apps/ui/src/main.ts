import { runMaster } from '@millrace/master';
import { UI_LISTENER } from './http/listener.js';
import { UiModule } from './ui.module.js';

await runMaster({ role: 'ui', module: UiModule, http: UI_LISTENER });
