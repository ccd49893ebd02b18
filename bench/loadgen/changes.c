#include "changes.h"

#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *keep_text(struct session *session, char *text)
{
    if (session->owned_count == session->owned_room) {
        session->owned_room = session->owned_room * 2 + 16;
        session->owned = realloc(session->owned, sizeof *session->owned * (size_t)session->owned_room);
    }
    if (!text || !session->owned)
        abort();
    return session->owned[session->owned_count++] = text;
}

void insert_field(struct session *session, int at, const char *name, const char *value)
{
    if (session->field_count == session->field_room) {
        session->field_room = session->field_room * 2 + 64;
        session->fields = realloc(session->fields, sizeof *session->fields * (size_t)session->field_room);
        if (!session->fields)
            abort();
    }
    if (at > session->field_count)
        at = session->field_count;
    memmove(session->fields + at + 1, session->fields + at,
            sizeof *session->fields * (size_t)(session->field_count - at));
    session->fields[at] = (struct field){name, value};
    session->field_count++;
}

/* Notes the value of an Authentication-Results field, its folds joined. */
static void note_result(struct session *session, const char *value)
{
    session->results = realloc(session->results, session->results_length + strlen(value) + 2);
    if (!session->results)
        abort();
    char *to = session->results + session->results_length;
    *to++ = '\t';
    for (value += strspn(value, " \t\r\n"); *value;) {
        size_t blanks = strspn(value, " \t\r\n");
        if (blanks) {
            *to++ = ' ';
            value += blanks;
        } else {
            *to++ = *value++;
        }
    }
    *to = '\0';
    session->results_length = (size_t)(to - session->results);
}

static void add_field(struct session *session, struct milter *milter, uint32_t at, const char *name, const char *value)
{
    char *copy;
    if (asprintf(&copy, "%s%c%s%s", name, '\0', milter->protocol & HDR_LEADSPC ? "" : " ", value) < 0)
        abort();
    keep_text(session, copy);
    insert_field(session, at > (uint32_t)session->field_count ? session->field_count : (int)at, copy,
                 copy + strlen(name) + 1);
    if (!strcasecmp(name, "Authentication-Results"))
        note_result(session, value);
}

/* Changes or deletes the at-th field of this name, counted from 1 and without the MTA's own Received. */
static void change_field(struct session *session, struct milter *milter, uint32_t at, const char *name,
                         const char *value)
{
    uint32_t left = at ? at : 1;
    for (int i = 0; i < session->field_count; i++) {
        if (session->fields[i].value == session->received || strcasecmp(session->fields[i].name, name) || --left)
            continue;
        session->field_count--;
        memmove(session->fields + i, session->fields + i + 1,
                sizeof *session->fields * (size_t)(session->field_count - i));
        if (*value)
            add_field(session, milter, (uint32_t)i, name, value);
        return;
    }
    if (*value)
        add_field(session, milter, (uint32_t)session->field_count, name, value);
}

/* Reads "name NUL value NUL" behind `skip` octets. Returns 0 if it is not there. */
static int two_strings(char *data, size_t length, size_t skip, const char **name, const char **value)
{
    if (length < skip + 2 || data[length - 1])
        return 0;
    *name = data + skip;
    *value = *name + strlen(*name) + 1;
    return *value < data + length;
}

int change(struct session *session, struct milter *milter, unsigned char kind, unsigned char *data, size_t length)
{
    const char *name;
    const char *value;
    switch (kind) {
    case 'h':
        if (!two_strings((char *)data, length, 0, &name, &value))
            return 0;
        add_field(session, milter, (uint32_t)session->field_count, name, value);
        return 1;
    case 'i':
    case 'm':
        if (!two_strings((char *)data, length, 4, &name, &value))
            return 0;
        if (kind == 'i')
            add_field(session, milter, get_u32(data), name, value);
        else
            change_field(session, milter, get_u32(data), name, value);
        return 1;
    case 'q':
        snprintf(session->reply, sizeof session->reply, "quarantine");
        return 1;
    default: /* sender, recipients and body: no contender changes them */
        return kind && strchr("e+2-b", kind) != NULL;
    }
}

void forget_fields(struct session *session)
{
    for (int i = 0; i < session->owned_count; i++)
        free(session->owned[i]);
    session->owned_count = session->field_count = 0;
}
