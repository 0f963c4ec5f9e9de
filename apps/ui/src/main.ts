import { runMaster } from '@millrace/master';
import { UI_LISTENER } from './rest/api-dispatcher.js';
import { UiModule } from './ui.module.js';

await runMaster({ role: 'ui', module: UiModule, http: UI_LISTENER });
