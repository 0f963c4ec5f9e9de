import { runMaster } from '@millrace/master';
import { SchedulerModule } from './scheduler.module.js';

await runMaster({ role: 'scheduler', module: SchedulerModule });
