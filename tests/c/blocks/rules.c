/*
 * Rules for balancers and a monitor: its function make_rules().
 */

#include "blocks.h"
#include BLOCK


static int32_t
find(const realpeer_rule *rules, const char *text)
{
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = inet_addr(text);

    return realpeer_rules_find(rules, 2, (struct sockaddr *) &sin,
                               sizeof(sin));
}


int
main(void)
{
    realpeer_rule  rules[2];

    must(make_rules(rules) == 2);
    must(find(rules, "10.0.1.7") == REALPEER_POLICY_REQUIRE);
    must(find(rules, "127.0.0.1") == REALPEER_POLICY_DIRECT);
    must(find(rules, "192.0.2.1") == REALPEER_POLICY_NONE);

    return 0;
}
