import { fuzzed, msgpackFrames, feedMsgpack, pbChunks, feedPb } from './dist/measures/fuzz-x.js';
Error.stackTraceLimit=0; const n=+process.argv[2];
for (const [name,m,f] of [['ms',msgpackFrames,feedMsgpack],['pb',pbChunks,feedPb]]) { const c=process.cpuUsage(); const r=await fuzzed(n,m,f); const d=process.cpuUsage(c); console.log(name,r,((d.user+d.system)/n).toFixed(0)+' us/case'); }
