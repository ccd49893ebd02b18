/* Buffered as Postfix buffers it: 4,096 octets on a unix socket, four segments on TCP, written when full or when an
 * answer is waited for. How the octets are cut into packets decides how often the other side has to read. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { UNIX_BUFFER = 4096, TCP_SEGMENTS = 4, HEADER = 4, MAX_PACKET = 1 << 20, READ_BUFFER = 16384 };

uint32_t get_u32(const unsigned char *octets)
{
    uint32_t number;
    memcpy(&number, octets, sizeof number);
    return ntohl(number);
}

void put_u32(unsigned char *octets, uint32_t number)
{
    number = htonl(number);
    memcpy(octets, &number, sizeof number);
}

static int parse_inet(const char *text, struct place *place)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '@' || port < 1 || port > 65535)
        return -1;
    struct sockaddr_in *inet = (struct sockaddr_in *)place->address;
    if (inet_pton(AF_INET, end + 1, &inet->sin_addr) == 1) {
        inet->sin_family = AF_INET;
        inet->sin_port = htons((uint16_t)port);
        place->length = sizeof *inet;
    } else {
        struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)place->address;
        if (inet_pton(AF_INET6, end + 1, &inet6->sin6_addr) != 1)
            return -1;
        inet6->sin6_family = AF_INET6;
        inet6->sin6_port = htons((uint16_t)port);
        place->length = sizeof *inet6;
    }
    place->family = ((struct sockaddr *)place->address)->sa_family;
    return 0;
}

int parse_place(const char *text, struct place *place)
{
    memset(place, 0, sizeof *place);
    place->text = text;
    if (!strncmp(text, "inet:", 5))
        return parse_inet(text + 5, place);
    struct sockaddr_un *unix_address = (struct sockaddr_un *)place->address;
    if (strncmp(text, "unix:", 5) || strlen(text + 5) >= sizeof unix_address->sun_path)
        return -1;
    unix_address->sun_family = AF_UNIX;
    strcpy(unix_address->sun_path, text + 5);
    place->family = AF_UNIX;
    place->length = sizeof *unix_address;
    return 0;
}

void stream_fail(struct stream *stream, const char *what, int error_number)
{
    if (!stream->error[0])
        snprintf(stream->error, sizeof stream->error, "%s%s%s", what, error_number ? ": " : "",
                 error_number ? strerror(error_number) : "");
}

void stream_adopt(struct stream *stream, int fd)
{
    int segment = 0;
    socklen_t length = sizeof segment;
    memset(stream, 0, sizeof *stream);
    stream->fd = fd;
    stream->out_size = UNIX_BUFFER;
    if (getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, &length) == 0 && segment > UNIX_BUFFER / TCP_SEGMENTS)
        stream->out_size = (size_t)segment * TCP_SEGMENTS;
    stream->in_size = READ_BUFFER;
    stream->out = malloc(stream->out_size);
    stream->in = malloc(stream->in_size);
    if (!stream->out || !stream->in)
        stream_fail(stream, "no memory", 0);
}

void stream_open(struct stream *stream, const struct place *place, int timeout)
{
    struct timeval limit = {.tv_sec = timeout};
    int fd = socket(place->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) ||
                 setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) ||
                 connect(fd, (const struct sockaddr *)place->address, place->length);
    int error_number = errno;
    stream_adopt(stream, fd); /* after connect: only then the segment is known */
    if (failed)
        stream_fail(stream, "connect", error_number);
}

void stream_close(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    free(stream->out);
    free(stream->in);
    stream->out = stream->in = NULL;
}

void stream_flush(struct stream *stream)
{
    size_t done = 0;
    while (done < stream->out_length && !stream->error[0]) {
        ssize_t written = send(stream->fd, stream->out + done, stream->out_length - done, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            stream_fail(stream, "write", errno);
        else
            done += (size_t)written;
    }
    stream->out_length = 0;
}

static void put(struct stream *stream, const void *data, size_t length)
{
    const unsigned char *next = data;
    while (length && !stream->error[0]) {
        size_t room = stream->out_size - stream->out_length;
        size_t part = length < room ? length : room;
        memcpy(stream->out + stream->out_length, next, part);
        stream->out_length += part;
        next += part;
        length -= part;
        if (stream->out_length == stream->out_size)
            stream_flush(stream);
    }
}

void stream_send(struct stream *stream, unsigned char command, const struct iovec *parts, int count)
{
    unsigned char head[HEADER + 1];
    size_t length = 1;
    for (int i = 0; i < count; i++)
        length += parts[i].iov_len;
    put_u32(head, (uint32_t)length);
    head[HEADER] = command;
    put(stream, head, sizeof head);
    for (int i = 0; i < count; i++)
        put(stream, parts[i].iov_base, parts[i].iov_len);
}

/* Makes `wanted` octets available at in_start. Returns 0 if they will not come. */
static int have(struct stream *stream, size_t wanted)
{
    if (stream->in_end - stream->in_start >= wanted)
        return 1;
    memmove(stream->in, stream->in + stream->in_start, stream->in_end - stream->in_start);
    stream->in_end -= stream->in_start;
    stream->in_start = 0;
    if (wanted > stream->in_size) {
        unsigned char *bigger = realloc(stream->in, wanted + READ_BUFFER);
        if (!bigger) {
            stream_fail(stream, "no memory", 0);
            return 0;
        }
        stream->in = bigger;
        stream->in_size = wanted + READ_BUFFER;
    }
    while (stream->in_end < wanted) {
        ssize_t got = recv(stream->fd, stream->in + stream->in_end, stream->in_size - stream->in_end, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            stream_fail(stream, "read", errno);
        if (got <= 0)
            return 0;
        stream->in_end += (size_t)got;
    }
    return 1;
}

unsigned char stream_receive(struct stream *stream, unsigned char **data, size_t *length)
{
    stream_flush(stream);
    if (stream->error[0] || !have(stream, HEADER))
        return 0;
    size_t size = get_u32(stream->in + stream->in_start);
    if (size < 1 || size > MAX_PACKET) {
        stream_fail(stream, "a packet of an impossible length", 0);
        return 0;
    }
    if (!have(stream, HEADER + size)) {
        stream_fail(stream, "the connection ended inside of a packet", 0);
        return 0;
    }
    *data = stream->in + stream->in_start + HEADER + 1;
    *length = size - 1;
    stream->in_start += HEADER + size;
    return (*data)[-1];
}
