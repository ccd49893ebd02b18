#include "macros.h"

#include "protocol.h"

#include <stdio.h>
#include <string.h>

static const char *const DEFAULT_MACROS[MACRO_STAGES] = {
    [STAGE_CONNECT] = "j {daemon_name} {daemon_addr} v _",
    [STAGE_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [STAGE_MAIL] = "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    [STAGE_RCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    [STAGE_DATA] = "i",
    [STAGE_EOM] = "i",
    [STAGE_EOH] = "i",
};

/* Writes the value of a macro; returns 0 where Postfix has none. */
static int macro_value(const struct session *session, const char *name, char *value, size_t size)
{
    const struct message *message = session->message;
    const char *at;
    const char *text = NULL;
    if (!strcmp(name, "i"))
        text = session->queue_id[0] ? session->queue_id : NULL;
    else if (!strcmp(name, "j") || !strcmp(name, "{daemon_name}"))
        text = HOST;
    else if (!strcmp(name, "v"))
        text = "Postfix 3.7.11";
    else if (!strcmp(name, "{daemon_addr}"))
        text = "192.0.2.1";
    else if (!strcmp(name, "{daemon_port}"))
        text = "25";
    else if (!strcmp(name, "{client_addr}"))
        text = message->client;
    else if (!strcmp(name, "{client_name}") || !strcmp(name, "{client_ptr}"))
        text = message->helo;
    else if (!strcmp(name, "{client_port}"))
        text = "49152";
    else if (!strcmp(name, "{client_connections}"))
        text = "0";
    else if (!strcmp(name, "{mail_addr}"))
        text = message->mail_from;
    else if (!strcmp(name, "{mail_host}"))
        text = (at = strrchr(message->mail_from, '@')) != NULL ? at + 1 : "";
    else if (!strcmp(name, "{mail_mailer}"))
        text = "smtp";
    else if (!strcmp(name, "{rcpt_addr}"))
        text = message->rcpt;
    else if (!strcmp(name, "{rcpt_host}"))
        text = (at = strrchr(message->rcpt, '@')) != NULL ? at + 1 : "";
    else if (!strcmp(name, "{rcpt_mailer}"))
        text = "local";
    else if (!strcmp(name, "_")) {
        snprintf(value, size, "%s [%s]", message->helo, message->client);
        return 1;
    }
    if (text)
        snprintf(value, size, "%s", text);
    return text != NULL;
}

void send_macros(struct session *session, struct milter *milter, unsigned char command, int stage)
{
    char packet[2048];
    char names[1024];
    char *rest = names;
    size_t length = 0;
    const char *wanted = milter->macros[stage] ? milter->macros[stage] : DEFAULT_MACROS[stage];
    snprintf(names, sizeof names, "%s", wanted);
    packet[length++] = (char)command;
    for (char *name; (name = strsep(&rest, " ,")) != NULL;) {
        char value[512];
        if (!*name || !macro_value(session, name, value, sizeof value))
            continue;
        size_t more = strlen(name) + strlen(value) + 2;
        if (length + more > sizeof packet)
            continue;
        strcpy(packet + length, name);
        strcpy(packet + length + strlen(name) + 1, value);
        length += more;
    }
    stream_send(&milter->stream, 'D', &(struct iovec){packet, length}, 1);
}
