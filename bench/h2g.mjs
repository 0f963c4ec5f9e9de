import { fuzzed, msgpackFrames, feedMsgpack, pbChunks, feedPb } from './dist-run/measures/fuzz-x.js';
import { Dice } from './dist-run/dice.js';
Error.stackTraceLimit=0; const [,, kind, off, n]=process.argv; let k=+off; let rej=0; process.on('unhandledRejection',()=>rej++);
const m = kind==='ms'? msgpackFrames : pbChunks; const f = kind==='ms'?feedMsgpack:feedPb;
const c=process.cpuUsage(); const r=await fuzzed(+n,()=>m(new Dice(k++)),f); const d=process.cpuUsage(c); console.log(kind,off,n,JSON.stringify(r),((d.user+d.system)/n).toFixed(0)+' us/case','rejections',rej, 'rss', process.memoryUsage().rss>>20); process.exit(0);
