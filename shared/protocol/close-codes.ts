// Why a WebSocket is closed (RFC 6455 §7.4.1, and IANA's registry). NO_STATUS and ABNORMAL are never on the wire.
export const NORMAL = 1000;
export const GOING_AWAY = 1001;
export const PROTOCOL_ERROR = 1002;
export const NO_STATUS = 1005;
export const ABNORMAL = 1006;
export const POLICY = 1008;
export const TOO_BIG = 1009;
export const INTERNAL = 1011;
export const RESTART = 1012;
export const TRY_LATER = 1013;
export const BAD_UPSTREAM = 1014;
