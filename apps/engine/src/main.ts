import { runMaster } from '@millrace/master';
import { EngineModule } from './engine.module.js';

await runMaster({ role: 'engine', module: EngineModule });
