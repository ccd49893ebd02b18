#include "mta.h"

#include "changes.h"
#include "macros.h"
#include "protocol.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How one event goes: by which macros it is preceded, and when it, or its reply, is left out. */
struct step {
    unsigned char command;
    int stage; /* of the macros */
    uint32_t left_out;
    uint32_t silent;
    int macros_stay; /* Postfix sends the macros of an SMTP command also where the command is left out */
};

static const struct step CONNECT = {'C', STAGE_CONNECT, NOCONNECT, NR_CONN, 1};
static const struct step HELO = {'H', STAGE_HELO, NOHELO, NR_HELO, 1};
static const struct step MAIL = {'M', STAGE_MAIL, NOMAIL, NR_MAIL, 1};
static const struct step RCPT = {'R', STAGE_RCPT, NORCPT, NR_RCPT, 1};
static const struct step DATA = {'T', STAGE_DATA, NODATA, NR_DATA, 1};
static const struct step HEADER = {'L', STAGE_EOH, NOHDRS, NR_HDR, 0};
static const struct step END_OF_HEADER = {'N', STAGE_EOH, NOEOH, NR_EOH, 0};
static const struct step BODY = {'B', STAGE_EOM, NOBODY, NR_BODY, 0};
static const struct step END_OF_MESSAGE = {'E', STAGE_EOM, 0, 0, 1};

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void sleep_until(double moment)
{
    struct timespec time = {.tv_sec = (time_t)moment, .tv_nsec = (long)((moment - (double)(time_t)moment) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL))
        continue;
}

static void settle(struct session *session, enum reply verdict, const char *text)
{
    session->verdict = verdict;
    snprintf(session->reply, sizeof session->reply, "%s", text);
}

static void fail(struct session *session, struct milter *milter, const char *what)
{
    char text[sizeof session->reply];
    int number = (int)(milter - session->milters);
    stream_fail(&milter->stream, what, 0);
    snprintf(text, sizeof text, "%s: %s", session->settings->places[number].text, milter->stream.error);
    settle(session, FAILED, text);
}

/* Waits for the answer to an event. Returns 1 if the session goes on, and has settled its verdict otherwise. */
static int await_reply(struct session *session, struct milter *milter, const struct step *step)
{
    int at_connection = step->command == 'C' || step->command == 'H';
    for (;;) {
        unsigned char *data;
        size_t length;
        unsigned char kind = stream_receive(&milter->stream, &data, &length);
        switch (kind) {
        case 'p':
            continue;
        case 'c':
            return 1;
        case 's':
            milter->skipped = step->command;
            return 1;
        case 'a':
            milter->state = at_connection ? ACCEPTED_CONNECTION : ACCEPTED_MESSAGE;
            return 1;
        case 'd':
            settle(session, DISCARD, "discard");
            return 0;
        case 'r':
        case 't':
        case '4':
            if (at_connection || kind == '4')
                milter->state = REFUSED_CONNECTION;
            settle(session, kind == 'r' ? REJECT : TEMPFAIL, kind == 'r' ? "550 5.7.1" : "451 4.7.1");
            return 0;
        case 'y':
            if (!length || data[length - 1] || (data[0] != '4' && data[0] != '5'))
                break;
            if (at_connection)
                milter->state = REFUSED_CONNECTION;
            settle(session, data[0] == '5' ? REJECT : TEMPFAIL, (char *)data);
            return 0;
        default:
            if (step->command == 'E' && change(session, milter, kind, data, length))
                continue;
        }
        char text[80];
        if (kind)
            snprintf(text, sizeof text, "the answer '%c' to the command '%c'", kind, step->command);
        else
            snprintf(text, sizeof text, "the connection ended instead of an answer to '%c'", step->command);
        fail(session, milter, text);
        return 0;
    }
}

/* Reports one event to one milter. Returns 1 if the session goes on. */
static int event(struct session *session, struct milter *milter, const struct step *step, const struct iovec *parts,
                 int count)
{
    int left_out = (milter->protocol & step->left_out) != 0;
    if (milter->skipped == step->command)
        return 1;
    milter->skipped = 0;
    if (left_out && !step->macros_stay)
        return 1;
    send_macros(session, milter, step->command, step->stage);
    if (left_out)
        return 1;
    stream_send(&milter->stream, step->command, parts, count);
    if (milter->stream.error[0]) {
        fail(session, milter, "");
        return 0;
    }
    return milter->protocol & step->silent ? 1 : await_reply(session, milter, step);
}

/* Reports an SMTP command to all milters, one after another. Returns 1 if the session goes on. */
static int smtp_event(struct session *session, const struct step *step, const struct iovec *parts, int count)
{
    for (int i = 0; i < session->settings->milters; i++) {
        struct milter *milter = &session->milters[i];
        if (milter->state == WANTS_EVENTS || (milter->state == ACCEPTED_MESSAGE && step->command == 'H'))
            if (!event(session, milter, step, parts, count))
                return 0;
    }
    return 1;
}

static struct iovec string(const char *text)
{
    return (struct iovec){(char *)text, strlen(text) + 1};
}

static int negotiate(struct session *session, struct milter *milter)
{
    unsigned char offer[12];
    unsigned char *data;
    size_t length;
    put_u32(offer, VERSION);
    put_u32(offer + 4, ALL_ACTIONS);
    put_u32(offer + 8, session->settings->offer_skip ? ALL_PROTOCOL : ALL_PROTOCOL & ~SKIP);
    stream_send(&milter->stream, 'O', &(struct iovec){offer, sizeof offer}, 1);
    if (stream_receive(&milter->stream, &data, &length) != 'O' || length < sizeof offer) {
        fail(session, milter, "no negotiation");
        return 0;
    }
    milter->protocol = get_u32(data + 8);
    for (size_t at = sizeof offer; at + 5 <= length && !data[length - 1];) {
        uint32_t stage = get_u32(data + at);
        const char *names = (char *)data + at + 4;
        if (stage < MACRO_STAGES) {
            free(milter->macros[stage]);
            milter->macros[stage] = strdup(names);
        }
        at += 4 + strlen(names) + 1;
    }
    return 1;
}

static void pause_step(const struct session *session)
{
    if (session->settings->step > 0)
        sleep_until(now() + session->settings->step);
}

void session_open(struct session *session, const struct settings *settings, const struct message *message)
{
    int family = strchr(message->client, ':') ? '6' : '4';
    unsigned char middle[3] = {(unsigned char)family, 49152 >> 8, 49152 & 0xff};
    struct iovec who[] = {string(message->helo), {middle, sizeof middle}, string(message->client)};
    struct iovec helo[] = {string(message->helo)};
    memset(session, 0, sizeof *session);
    session->settings = settings;
    session->message = message;
    for (int i = 0; i < settings->milters; i++)
        session->milters[i].stream.fd = -1;
    for (int i = 0; i < settings->milters; i++) {
        struct milter *milter = &session->milters[i];
        stream_open(&milter->stream, &settings->places[i], settings->timeout);
        if (!negotiate(session, milter) || !event(session, milter, &CONNECT, who, 3))
            return;
    }
    pause_step(session);
    smtp_event(session, &HELO, helo, 1);
}

/* Hands the content to one milter. Returns 1 if the next one has its turn. */
static int content(struct session *session, struct milter *milter)
{
    const struct message *message = session->message;
    for (int i = 0; i < session->field_count; i++) {
        const char *value = session->fields[i].value;
        if (value == session->received)
            continue;
        if (!(milter->protocol & HDR_LEADSPC) && *value == ' ')
            value++;
        struct iovec field[] = {string(session->fields[i].name), string(value)};
        if (!event(session, milter, &HEADER, field, 2) || milter->state != WANTS_EVENTS)
            return session->verdict == ACCEPT;
    }
    if (!event(session, milter, &END_OF_HEADER, NULL, 0) || milter->state != WANTS_EVENTS)
        return session->verdict == ACCEPT;
    for (size_t at = 0; at < message->body_length; at += MAX_CHUNK) {
        size_t left = message->body_length - at;
        struct iovec chunk = {(char *)message->body + at, left < MAX_CHUNK ? left : MAX_CHUNK};
        if (!event(session, milter, &BODY, &chunk, 1) || milter->state != WANTS_EVENTS)
            return session->verdict == ACCEPT;
    }
    return event(session, milter, &END_OF_MESSAGE, NULL, 0);
}

/* The envelope, command by command. Returns 1 if the client may send its message. */
static int envelope(struct session *session, const struct message *message, long number)
{
    char from[512];
    char to[512];
    snprintf(from, sizeof from, "<%s>", message->mail_from);
    snprintf(to, sizeof to, "<%s>", message->rcpt);
    pause_step(session);
    if (!smtp_event(session, &MAIL, (struct iovec[]){string(from)}, 1))
        return 0;
    pause_step(session);
    if (!smtp_event(session, &RCPT, (struct iovec[]){string(to)}, 1))
        return 0;
    /* Postfix makes the queue file, and so its name, after the first recipient was accepted. */
    snprintf(session->queue_id, sizeof session->queue_id, "4%010lX", (unsigned long)number);
    pause_step(session);
    if (!smtp_event(session, &DATA, NULL, 0))
        return 0;
    /* Here smtpd hands the milters over to cleanup; what is still in their buffers leaves now, before the content. */
    for (int i = 0; i < session->settings->milters; i++)
        stream_flush(&session->milters[i].stream);
    return 1;
}

/* Forgets the message. Postfix aborts it in any case; that leaves together with what is sent next. */
static void end_message(struct session *session)
{
    for (int i = 0; i < session->settings->milters; i++) {
        struct milter *milter = &session->milters[i];
        if (milter->state == ACCEPTED_MESSAGE)
            milter->state = WANTS_EVENTS;
        if (milter->state == WANTS_EVENTS)
            stream_send(&milter->stream, 'A', NULL, 0);
    }
    forget_fields(session);
    session->queue_id[0] = '\0';
}

/* From "." to the reply of the last milter of the chain. */
static void hand_over(struct session *session, const struct message *message)
{
    char *received;
    if (asprintf(&received, " from %s (%s [%s])\n\tby " HOST " (Postfix) with ESMTP id %s\n\tfor <%s>; "
                            "Mon, 23 Nov 2026 12:00:00 +0000 (UTC)",
                 message->helo, message->helo, message->client, session->queue_id, message->rcpt) < 0)
        abort();
    session->received = keep_text(session, received);
    insert_field(session, 0, "Received", received);
    for (int i = 0; i < message->field_count; i++)
        insert_field(session, i + 1, message->fields[i].name, message->fields[i].value);
    pause_step(session);
    double dot = now();
    for (int i = 0; i < session->settings->milters; i++) {
        struct milter *milter = &session->milters[i];
        if (milter->state == WANTS_EVENTS && !content(session, milter))
            break;
    }
    session->waited = now() - dot;
}

void session_message(struct session *session, const struct message *message, long number)
{
    session->message = message;
    session->results_length = 0;
    session->waited = -1;
    settle(session, ACCEPT, "");
    if (envelope(session, message, number))
        hand_over(session, message);
    end_message(session);
}

int session_lives(const struct session *session)
{
    for (int i = 0; i < session->settings->milters; i++)
        if (session->milters[i].state == REFUSED_CONNECTION)
            return 0;
    return session->verdict != FAILED;
}

void session_close(struct session *session)
{
    for (int i = 0; i < session->settings->milters; i++) {
        struct milter *milter = &session->milters[i];
        if (milter->stream.fd >= 0 && !milter->stream.error[0]) {
            if (milter->state == WANTS_EVENTS)
                stream_send(&milter->stream, 'A', NULL, 0);
            stream_send(&milter->stream, 'Q', NULL, 0);
            stream_flush(&milter->stream);
        }
        stream_close(&milter->stream);
        for (int stage = 0; stage < MACRO_STAGES; stage++)
            free(milter->macros[stage]);
    }
    forget_fields(session);
    free(session->fields);
    free(session->owned);
    free(session->results);
}
