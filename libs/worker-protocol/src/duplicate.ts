/**
 * How the connection of a worker ends when another one of its name is connected and answers: the code of a WebSocket, and the status of a
 * relay's channel.
 */
export const DUPLICATE_WORKER = {
  closeCode: 4409,
  status: 409,
  reason: 'another worker of this name is connected',
} as const;
