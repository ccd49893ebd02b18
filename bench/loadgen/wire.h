/* Packets of the milter protocol over a socket: 4 octets of length, one of command, data. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* One connection. A failure stays in `error`; everything after it does nothing, so a caller may look once, at the end. */
struct stream {
    int fd;
    unsigned char *out;
    size_t out_size;
    size_t out_length;
    unsigned char *in;
    size_t in_size;
    size_t in_start;
    size_t in_end;
    char error[128];
};

/* Where a milter listens, read from "unix:/path" or "inet:PORT@HOST"; HOST is an IPv4 or IPv6 address. */
struct place {
    const char *text;
    int family;
    socklen_t length;
    unsigned char address[128];
};

/* Returns 0, or -1 for a text that names no socket. */
int parse_place(const char *text, struct place *place);

/* Connects; every read waits for at most `timeout` seconds. */
void stream_open(struct stream *stream, const struct place *place, int timeout);

/* Takes over a connected socket. */
void stream_adopt(struct stream *stream, int fd);
void stream_close(struct stream *stream);
void stream_fail(struct stream *stream, const char *what, int error_number);

/* Queues a packet; it leaves when the buffer is full, when flushed, or when an answer is waited for. */
void stream_send(struct stream *stream, unsigned char command, const struct iovec *parts, int count);
void stream_flush(struct stream *stream);

/* Waits for a packet; `data` is valid until the next call.
 * Returns the command, 0 after a failure or (without an error) at the end of the connection. */
unsigned char stream_receive(struct stream *stream, unsigned char **data, size_t *length);

uint32_t get_u32(const unsigned char *octets);
void put_u32(unsigned char *octets, uint32_t number);

#endif
