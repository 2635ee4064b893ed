/*
 * The C functions, called from C99 or C++11 (the files are both).
 */

#include "check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>


#define LINE     "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
#define REQUEST  "GET / HTTP/1.1\r\n\r\n"


unsigned long  checks;
unsigned long  faults;


void
fault(const char *file, int line, const char *condition,
    const char *format, ...)
{
    va_list  args;

    faults++;

    printf("%s:%d: %s: ", file, line, condition);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}


void
check_address(const realpeer_address *address, const char *wanted)
{
    char     text[REALPEER_ADDRESS_TEXT + 8];
    int32_t  len;

    if (address->family == REALPEER_FAMILY_UNSPEC) {
        strcpy(text, "-");

    } else {
        len = realpeer_address_text(address, text, REALPEER_ADDRESS_TEXT);
        check(len > 0 && (size_t) len == strlen(text), "length %d", len);
        sprintf(text + len, " %u", (unsigned) address->port);
    }

    check(strcmp(text, wanted) == 0, "is %s, not %s", text, wanted);
}


static void
check_version(void)
{
    char  text[32];

    sprintf(text, "%d.%d.%d", REALPEER_VERSION_MAJOR, REALPEER_VERSION_MINOR,
            REALPEER_VERSION_PATCH);

    check(strcmp(text, REALPEER_VERSION) == 0, "%s", text);
    check(strcmp(realpeer_version(), REALPEER_VERSION) == 0, "%s",
          realpeer_version());
    check(realpeer_version_number() == REALPEER_VERSION_NUMBER, "%" PRIx32,
          realpeer_version_number());
    check(REALPEER_VERSION_NUMBER
          == (REALPEER_VERSION_MAJOR << 16 | REALPEER_VERSION_MINOR << 8
              | REALPEER_VERSION_PATCH),
          "the composed number");
}


static void
check_words(void)
{
    int32_t  number;

    for (number = -300; number < 300; number++) {
        check(realpeer_result_name(number)[0] != '\0', "%d", number);
        check(realpeer_strerror(number)[0] != '\0', "%d", number);
        check(realpeer_policy_name(number)[0] != '\0', "%d", number);
    }

    check(strcmp(realpeer_result_name(REALPEER_RESULT_BAD_CHECKSUM),
                 "bad_checksum") == 0, "name");
    check(strcmp(realpeer_result_name(REALPEER_ERROR_INVALID_ARGUMENT),
                 "invalid_argument") == 0, "name");
    check(realpeer_policy_parse("strip", 5) == REALPEER_POLICY_STRIP, "strip");
    check(realpeer_policy_parse("Strip", 5) == REALPEER_ERROR_BAD_POLICY,
          "Strip");
    check(realpeer_result_is_quiet(REALPEER_RESULT_SILENT) == 1, "silent");
    check(realpeer_result_is_quiet(REALPEER_RESULT_BAD_V1) == 0, "bad_v1");
}


static int32_t
find(const realpeer_rule *rules, size_t count, const char *text)
{
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        in.sin_family = AF_INET;
        return realpeer_rules_find(rules, count, (struct sockaddr *) &in,
                                   sizeof(in));
    }

    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        in6.sin6_family = AF_INET6;
        return realpeer_rules_find(rules, count, (struct sockaddr *) &in6,
                                   sizeof(in6));
    }

    return REALPEER_ERROR_INVALID_ARGUMENT;
}


static void
check_rules(void)
{
    size_t                i, count;
    uint32_t              tags[2];
    realpeer_rule         rules[6];
    struct sockaddr_un    un;
    const realpeer_rule  *rule;

    static const struct {
        const char  *source;
        int32_t      policy;
        int32_t      result;
    } list[] = {
        { "10.1.2.3", REALPEER_POLICY_DIRECT, 0 },
        { "10.0.0.0/8", REALPEER_POLICY_REQUIRE, 0 },
        { "2001:db8::1/32", REALPEER_POLICY_OPTIONAL, 1 },
        { "unix:", REALPEER_POLICY_STRIP, 0 },
        { "203.0.113.0/24", REALPEER_POLICY_REFUSE, 0 }
    };

    count = sizeof(list) / sizeof(list[0]);

    for (i = 0; i < count; i++) {
        check(realpeer_rule_parse(list[i].source, strlen(list[i].source),
                                  list[i].policy, (uint32_t) i, &rules[i],
                                  sizeof(rules[i]))
              == list[i].result, "%s", list[i].source);
    }

    check(realpeer_rules_prepare(rules, count, tags) == 0, "prepare");

    check(find(rules, count, "10.1.2.3") == REALPEER_POLICY_DIRECT, "one");
    check(find(rules, count, "::ffff:10.1.2.4") == REALPEER_POLICY_REQUIRE,
          "mapped");
    check(find(rules, count, "2001:db8:ffff::") == REALPEER_POLICY_OPTIONAL,
          "IPv6");
    check(find(rules, count, "203.0.113.255") == REALPEER_POLICY_REFUSE, "5");
    check(find(rules, count, "192.0.2.1") == REALPEER_POLICY_NONE, "none");

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    check(realpeer_rules_find(rules, count, (struct sockaddr *) &un,
                              sizeof(un)) == REALPEER_POLICY_STRIP, "unix:");

    rule = NULL;
    check(realpeer_rules_match(rules, count, (struct sockaddr *) &un,
                               sizeof(un), &rule) == REALPEER_POLICY_STRIP
          && realpeer_rule_tag(rule) == 3, "the fourth of them");
    check(realpeer_rule_is_quiet(rule, REALPEER_RESULT_TIMEOUT) == 0, "yet");
    check(realpeer_rule_set_quiet(&rules[rule - rules], "quiet=timeout", 13)
          == 0, "quiet");
    check(realpeer_rule_is_quiet(rule, REALPEER_RESULT_TIMEOUT) == 1, "now");
    check(realpeer_rule_set_quiet(&rules[rule - rules], "quiet=local", 11)
          == REALPEER_ERROR_BAD_QUIET, "what refuses nothing");
    check(realpeer_rule_set_quiet(&rules[rule - rules], "quiet=untrusted", 15)
          == REALPEER_ERROR_NEVER_REFUSED, "what another rule refuses");

    check(realpeer_rule_parse("010.0.0.1", 9, REALPEER_POLICY_DIRECT, 9,
                              &rules[count], sizeof(rules[count]))
          == REALPEER_ERROR_BAD_SOURCE, "a heading zero");
    check(realpeer_rule_parse("10.9.9.9/8", 10, REALPEER_POLICY_DIRECT, 9,
                              &rules[count], sizeof(rules[count]))
          == 1, "bits behind the prefix");
    check(realpeer_rules_prepare(rules, count + 1, tags)
          == REALPEER_ERROR_DUPLICATE_SOURCE && tags[0] == 1 && tags[1] == 9,
          "%" PRIu32 " and %" PRIu32, tags[0], tags[1]);
}


static void
check_null(void)
{
    realpeer_decision  decision;

    check(realpeer_parse(NULL, 1, NULL, 0, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "parse");
    check(realpeer_decide(REALPEER_POLICY_REQUIRE, NULL, 0, NULL, 0,
                          REALPEER_EVENT_CLOSED, &decision, sizeof(decision))
          == REALPEER_ACTION_REFUSE
          && decision.result == REALPEER_RESULT_SILENT, "decide");
    check(realpeer_rules_find(NULL, 0, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "find");
    check(realpeer_tlv_next(NULL, 0, NULL, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "next");
    check(realpeer_address_text(NULL, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "text");
}


/* The example at the head of realpeer.h, on a socket that gives few bytes. */
static void
check_example(void)
{
    int                      fd[2];
    char                     rest[sizeof(REQUEST)];
    size_t                   have;
    uint8_t                  buf[REALPEER_DEFAULT_MAX_HEADER];
    int32_t                  event, policy;
    ssize_t                  n;
    socklen_t                len;
    realpeer_rule            rule;
    realpeer_decision        d;
    struct sockaddr_in      *sin;
    struct sockaddr_storage  storage;

    check(realpeer_rule_parse("unix:", 5, REALPEER_POLICY_REQUIRE, 0, &rule,
                              sizeof(rule)) == 0, "unix:");
    check(realpeer_rules_prepare(&rule, 1, NULL) == 0, "prepare");

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0) {
        perror("socketpair");
        exit(2);
    }
    check(send(fd[1], LINE REQUEST, sizeof(LINE REQUEST) - 1, 0) > 0, "send");
    shutdown(fd[1], SHUT_WR);

    memset(&storage, 0, sizeof(storage));
    storage.ss_family = AF_UNIX;
    policy = realpeer_rules_find(&rule, 1, (struct sockaddr *) &storage,
                                 sizeof(sa_family_t));
    have = 0;
    event = REALPEER_EVENT_DATA;

    while (realpeer_decide(policy, NULL, 0, buf, have, event, &d, sizeof(d))
           == REALPEER_ACTION_MORE)
    {
        n = recv(fd[0], buf + have, d.need - have, 0);
        if (n > 0) {
            have += (size_t) n;
        } else {
            event = REALPEER_EVENT_CLOSED;
        }
    }

    check(d.action == REALPEER_ACTION_ACCEPT, "%s",
          realpeer_strerror(d.result));
    check(d.consumed == have && have == sizeof(LINE) - 1, "%lu bytes",
          (unsigned long) have);
    check_address(&d.client, "192.0.2.1 56324");
    check_address(&d.server, "198.51.100.7 443");

    n = recv(fd[0], rest, sizeof(rest), 0);
    check(n == (ssize_t) sizeof(REQUEST) - 1
          && memcmp(rest, REQUEST, (size_t) n) == 0, "the request");

    len = sizeof(storage);
    sin = (struct sockaddr_in *) &storage;
    check(realpeer_address_to_sockaddr(&d.client, (struct sockaddr *) sin,
                                       &len) == 0, "sockaddr");
    check(len == sizeof(*sin) && sin->sin_family == AF_INET
          && ntohs(sin->sin_port) == 56324
          && sin->sin_addr.s_addr == inet_addr("192.0.2.1"), "sockaddr");

    close(fd[0]);
    close(fd[1]);
}


int
main(void)
{
    unsigned  vectors;

    check_version();
    check_words();
    check_rules();
    check_null();
    check_example();
    check_write();
    check_socket();
    vectors = check_vectors();

    printf("%u vectors, %lu checks, %lu faults\n", vectors, checks, faults);

    return faults != 0 || vectors == 0;
}
