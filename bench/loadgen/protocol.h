/* Numbers and letters of the milter protocol (standards: libmilter's mfdef.h). */
#ifndef PROTOCOL_H
#define PROTOCOL_H

enum { VERSION = 6, MAX_CHUNK = 65535 };

/* What the filter may do: everything, its own macro lists included. */
enum { ALL_ACTIONS = 0x1ff };

/* Steps that a filter wants left out, replies that it will not give, and options. */
enum {
    NOCONNECT = 0x1,
    NOHELO = 0x2,
    NOMAIL = 0x4,
    NORCPT = 0x8,
    NOBODY = 0x10,
    NOHDRS = 0x20,
    NOEOH = 0x40,
    NR_HDR = 0x80,
    NODATA = 0x200,
    SKIP = 0x400,
    NR_CONN = 0x1000,
    NR_HELO = 0x2000,
    NR_MAIL = 0x4000,
    NR_RCPT = 0x8000,
    NR_DATA = 0x10000,
    NR_EOH = 0x40000,
    NR_BODY = 0x80000,
    HDR_LEADSPC = 0x100000,
    ALL_PROTOCOL = 0x1fffff
};

/* Stages of macro lists. */
enum { STAGE_CONNECT, STAGE_HELO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_EOM, STAGE_EOH };

#endif
