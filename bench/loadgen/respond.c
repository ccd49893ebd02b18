#include "respond.h"

#include "protocol.h"

#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Every step, and replies to DATA and end of message alone. Without one to DATA each message over TCP would wait 40 ms: the
 * MTA's next octets wait (Nagle) for an acknowledgement of those before DATA, which the other side delays. */
enum { WANTED = NR_HDR | NR_CONN | NR_HELO | NR_MAIL | NR_RCPT | NR_EOH | NR_BODY | HDR_LEADSPC };

static void *serve(void *argument)
{
    struct stream stream;
    unsigned char *data;
    size_t length;
    unsigned char answer[12];
    stream_adopt(&stream, (int)(intptr_t)argument);
    for (unsigned char command; (command = stream_receive(&stream, &data, &length)) && command != 'Q';) {
        if (command == 'O' && length >= sizeof answer) {
            put_u32(answer, VERSION);
            put_u32(answer + 4, 0);
            put_u32(answer + 8, get_u32(data + 8) & WANTED);
            stream_send(&stream, 'O', &(struct iovec){answer, sizeof answer}, 1);
        } else if (command == 'T' || command == 'E') {
            stream_send(&stream, 'c', NULL, 0);
        }
    }
    stream_close(&stream);
    return NULL;
}

void respond(const struct place *place)
{
    int yes = 1;
    pthread_attr_t attributes;
    int listener = socket(place->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (place->family == AF_UNIX)
        unlink(((const struct sockaddr_un *)place->address)->sun_path);
    else if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
             setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes)) /* inherited on accept */
        err(2, "setsockopt");
    if (listener < 0 || bind(listener, (const struct sockaddr *)place->address, place->length) ||
        listen(listener, SOMAXCONN))
        err(2, "%s", place->text);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 18);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0 || pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd))
            err(2, "accept");
    }
}
