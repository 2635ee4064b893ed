/*
 * A program as its author would write it who has nothing but the installed
 * library: C99, and C++11 as well. Says which library it runs with.
 */

#include <stdio.h>
#include <string.h>

#include <realpeer.h>

int
main(void)
{
    static const char stream[] =
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
    char              client[REALPEER_ADDRESS_TEXT];
    realpeer_rule     rule;
    realpeer_decision decision;

    if (realpeer_version_number() != REALPEER_VERSION_NUMBER
        || strcmp(realpeer_version(), REALPEER_VERSION) != 0)
    {
        fprintf(stderr, "realpeer.h is %s, the library %s\n", REALPEER_VERSION,
                realpeer_version());
        return 1;
    }

    if (realpeer_rule_parse("all", 3, REALPEER_POLICY_REQUIRE, 0, &rule,
                            sizeof(rule)) != 0
        || realpeer_rules_prepare(&rule, 1, NULL) != 0)
    {
        fprintf(stderr, "no rules\n");
        return 1;
    }

    if (realpeer_decide(REALPEER_POLICY_REQUIRE, NULL, 0,
                        (const uint8_t *) stream, sizeof(stream) - 1,
                        REALPEER_EVENT_DATA, &decision, sizeof(decision))
        != REALPEER_ACTION_ACCEPT
        || realpeer_address_text(&decision.client, client, sizeof(client)) < 0)
    {
        fprintf(stderr, "%s\n", realpeer_strerror(decision.result));
        return 1;
    }

    printf("realpeer %s: %s\n", realpeer_version(), client);

    return 0;
}
