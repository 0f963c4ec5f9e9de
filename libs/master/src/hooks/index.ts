export { ConfiguredHooks } from './configured-hooks.js';
export { DeliveryTokens } from './delivery-tokens.js';
export { HookReceiver } from './hook-receiver.js';
export { HookRoutes } from './hook-routes.js';
