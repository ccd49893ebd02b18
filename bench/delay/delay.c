/* delay: stands in front of a name server and makes every answer come D ms later, over UDP and TCP.
 *
 *     delay LISTEN_ADDRESS:PORT TARGET_ADDRESS:PORT D
 *
 * What is held back is the question, not the answer: all wait equally long, so what waits is a queue, and nothing has to
 * be sorted. One process, one thread: an answer is not later because another one is under way. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 65536, STREAMS = 512, DATAGRAM = 65535, DNS_HEADER = 12, SOCKET_BUFFER = 1 << 22, FIXED_FDS = 3, WINDOW = 128 };

static const int64_t PATIENCE = INT64_C(100000000); /* ns without any answer after which those that the server has are lost */
static const int64_t SLOT_LIFE = INT64_C(10000000000); /* ns after which a question counts as not answered */

union address {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_in6 inet6;
};

/* Who asked a question over UDP. Towards the server its ID is the number of its slot. */
struct slot {
    union address client;
    int64_t since; /* ns; 0: free */
    uint16_t id;
};

/* A TCP connection of a client and ours to the server. */
struct pair {
    int client; /* -1: free */
    int server;
    uint32_t generation; /* tells this pair from an earlier one in the same place */
};

/* What waits: octets for the server. Of a stream none means its end. */
struct waiting {
    struct waiting *next;
    int64_t due;
    int pair; /* -1: a datagram */
    uint32_t generation;
    size_t length;
    unsigned char octets[];
};

static struct slot slots[SLOTS];
static struct pair pairs[STREAMS];
static struct waiting *first;
static struct waiting **last = &first;
static union address target;
static socklen_t address_length;
static int64_t delay;
static int unanswered;   /* questions that the server has: at most WINDOW, since its buffer holds few hundred */
static int64_t answered; /* ns, when the last answer came */
static int asked;  /* UDP socket that clients send to */
static int asking; /* UDP socket to the server */

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void wait_with(int pair, const unsigned char *octets, size_t length)
{
    struct waiting *item = malloc(sizeof *item + length);
    if (!item)
        err(1, "memory");
    *item = (struct waiting){.due = now() + delay, .pair = pair, .length = length};
    if (pair >= 0)
        item->generation = pairs[pair].generation;
    if (length)
        memcpy(item->octets, octets, length);
    *last = item;
    last = &item->next;
}

/* -- UDP */

/* Returns a free slot, or -1 where 65,536 questions wait for an answer. */
static int free_slot(int64_t at)
{
    static uint16_t next;
    for (int tried = 0; tried < SLOTS; tried++, next++)
        if (!slots[next].since || at - slots[next].since > SLOT_LIFE + delay)
            return next++;
    return -1;
}

static void questions(void)
{
    unsigned char octets[DATAGRAM];
    for (;;) {
        union address client;
        socklen_t length = sizeof client;
        ssize_t got = recvfrom(asked, octets, sizeof octets, MSG_DONTWAIT, &client.any, &length);
        if (got < 0)
            return;
        int64_t at = now();
        int slot = got >= DNS_HEADER ? free_slot(at) : -1;
        if (slot < 0)
            continue;
        slots[slot] = (struct slot){.client = client, .since = at, .id = (uint16_t)(octets[0] << 8 | octets[1])};
        octets[0] = (unsigned char)(slot >> 8);
        octets[1] = (unsigned char)slot;
        wait_with(-1, octets, (size_t)got);
    }
}

static void answers(void)
{
    unsigned char octets[DATAGRAM];
    for (;;) {
        ssize_t got = recv(asking, octets, sizeof octets, MSG_DONTWAIT);
        if (got < 0)
            return;
        struct slot *slot = &slots[octets[0] << 8 | octets[1]];
        if (got < DNS_HEADER || !slot->since)
            continue;
        unanswered -= unanswered > 0;
        answered = now();
        octets[0] = (unsigned char)(slot->id >> 8);
        octets[1] = (unsigned char)slot->id;
        sendto(asked, octets, (size_t)got, 0, &slot->client.any, address_length);
        slot->since = 0;
    }
}

/* -- TCP */

static void close_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    pair->client = -1;
}

static void new_stream(int listener)
{
    int yes = 1;
    int client = accept(listener, NULL, NULL);
    int at = 0;
    if (client < 0)
        return;
    while (at < STREAMS && pairs[at].client >= 0)
        at++;
    int server = at < STREAMS ? socket(target.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (server < 0 || connect(server, &target.any, address_length)) {
        warn("TCP to the server");
        close(client);
        if (server >= 0)
            close(server);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    pairs[at] = (struct pair){client, server, pairs[at].generation + 1};
}

static void from_client(int at)
{
    unsigned char octets[DATAGRAM];
    ssize_t got = recv(pairs[at].client, octets, sizeof octets, MSG_DONTWAIT);
    if (got >= 0)
        wait_with(at, octets, (size_t)got);
    else if (errno != EAGAIN)
        close_pair(&pairs[at]);
}

static void from_server(int at)
{
    unsigned char octets[DATAGRAM];
    ssize_t got = recv(pairs[at].server, octets, sizeof octets, MSG_DONTWAIT);
    if (got > 0 ? send(pairs[at].client, octets, (size_t)got, MSG_NOSIGNAL) != got : got == 0 || errno != EAGAIN)
        close_pair(&pairs[at]);
}

/* -- the loop */

/* Sends what is due; returns the ns until something else is, -1 if nothing waits. */
static int64_t send_due(void)
{
    while (first) {
        struct waiting *item = first;
        struct pair *pair = item->pair >= 0 ? &pairs[item->pair] : NULL;
        int64_t at = now();
        if (item->due > at)
            return item->due - at;
        if (unanswered == WINDOW && at - answered < PATIENCE)
            return PATIENCE - (at - answered);
        if (unanswered == WINDOW)
            unanswered = 0;
        if (!pair) {
            answered = unanswered++ ? answered : at;
            send(asking, item->octets, item->length, 0);
        } else if (pair->client >= 0 && pair->generation == item->generation) {
            if (!item->length)
                shutdown(pair->server, SHUT_WR);
            else if (send(pair->server, item->octets, item->length, MSG_NOSIGNAL) != (ssize_t)item->length)
                close_pair(pair);
        }
        first = item->next;
        if (!first)
            last = &first;
        free(item);
    }
    return -1;
}

static void serve(int listener)
{
    static struct pollfd polled[FIXED_FDS + 2 * STREAMS];
    static uint32_t ended[STREAMS]; /* generation whose client has said all: it is not read any more */
    for (;;) {
        int64_t left = send_due();
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int numbers[STREAMS];
        nfds_t count = 0;
        polled[count++] = (struct pollfd){.fd = asked, .events = POLLIN};
        polled[count++] = (struct pollfd){.fd = asking, .events = POLLIN};
        polled[count++] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int at = 0; at < STREAMS; at++) {
            if (pairs[at].client < 0)
                continue;
            numbers[(count - FIXED_FDS) / 2] = at;
            int silent = ended[at] == pairs[at].generation;
            polled[count++] = (struct pollfd){.fd = silent ? -1 : pairs[at].client, .events = POLLIN};
            polled[count++] = (struct pollfd){.fd = pairs[at].server, .events = POLLIN};
        }
        if (ppoll(polled, count, left < 0 ? NULL : &timeout, NULL) <= 0)
            continue;
        if (polled[0].revents)
            questions();
        if (polled[1].revents)
            answers();
        for (nfds_t i = FIXED_FDS; i < count; i += 2) {
            int at = numbers[(i - FIXED_FDS) / 2];
            unsigned char octet;
            if (polled[i].revents) {
                if (recv(pairs[at].client, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                    ended[at] = pairs[at].generation;
                from_client(at);
            }
            if (polled[i + 1].revents && pairs[at].client >= 0)
                from_server(at);
        }
        if (polled[2].revents)
            new_stream(listener);
    }
}

static void parse(const char *text, union address *address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    int port = colon ? atoi(colon + 1) : 0;
    memset(address, 0, sizeof *address);
    if (port < 1 || port > 65535 || (size_t)(colon - text) >= sizeof host)
        errx(2, "%s: ADDRESS:PORT is wanted", text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (inet_pton(AF_INET, host, &address->inet.sin_addr) == 1) {
        address->inet.sin_family = AF_INET;
        address->inet.sin_port = htons((uint16_t)port);
    } else if (inet_pton(AF_INET6, host, &address->inet6.sin6_addr) == 1) {
        address->inet6.sin6_family = AF_INET6;
        address->inet6.sin6_port = htons((uint16_t)port);
    } else {
        errx(2, "%s: ADDRESS:PORT is wanted", text);
    }
}

static int open_socket(int type, const union address *own, const union address *peer)
{
    int size = SOCKET_BUFFER;
    int yes = 1;
    int fd = socket(own ? own->any.sa_family : peer->any.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes))
        err(1, "socket");
    if (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* not root: as much as there is */
    if (own && bind(fd, &own->any, address_length))
        err(1, "bind");
    if (peer && connect(fd, &peer->any, address_length))
        err(1, "connect");
    if (type == SOCK_STREAM && listen(fd, SOMAXCONN))
        err(1, "listen");
    return fd;
}

int main(int argc, char **argv)
{
    union address own;
    char *end;
    if (argc != 4)
        errx(2, "usage: delay LISTEN_ADDRESS:PORT TARGET_ADDRESS:PORT MILLISECONDS");
    parse(argv[1], &own);
    parse(argv[2], &target);
    delay = (int64_t)(strtod(argv[3], &end) * 1e6);
    if (*end || delay < 0)
        errx(2, "%s: milliseconds are wanted", argv[3]);
    if (own.any.sa_family != target.any.sa_family)
        errx(2, "both addresses must be of one family");
    address_length = own.any.sa_family == AF_INET ? sizeof own.inet : sizeof own.inet6;
    for (int at = 0; at < STREAMS; at++)
        pairs[at].client = -1;
    prctl(PR_SET_TIMERSLACK, 1UL); /* ns; the usual 50 us would be added to every answer */
    asked = open_socket(SOCK_DGRAM, &own, NULL);
    asking = open_socket(SOCK_DGRAM, NULL, &target);
    serve(open_socket(SOCK_STREAM, &own, NULL));
}
