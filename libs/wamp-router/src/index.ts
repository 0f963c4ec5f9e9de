export { type AuthenticationOptions, type Principal } from './authentication.js';
export { type Action, type Roles } from './permissions.js';
export { type Router, type RouterEvent, type RouterOptions, type RouterStats, startRouter } from './router.js';
