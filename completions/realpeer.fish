# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_realpeer_global_optspecs
    string join \n h/help V/version
end

function __fish_realpeer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_realpeer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_realpeer_using_subcommand
    set -l cmd (__fish_realpeer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c realpeer -n "__fish_realpeer_needs_command" -s h -l help -d 'Print help'
complete -c realpeer -n "__fish_realpeer_needs_command" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_needs_command" -f -a "decode" -d 'Take a header apart and say what is wrong with it'
complete -c realpeer -n "__fish_realpeer_needs_command" -f -a "encode" -d 'Write a header'
complete -c realpeer -n "__fish_realpeer_needs_command" -f -a "send" -d 'Connect, send a header, and join the connection with standard input and output'
complete -c realpeer -n "__fish_realpeer_needs_command" -f -a "check" -d 'Say which policy a source gets'
complete -c realpeer -n "__fish_realpeer_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -s f -l file -d 'Read the bytes from a file, - for the standard input, which is the default' -r -F
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -s F -l format -d 'How the bytes are written; without it, that is found out' -r -f -a "raw\t'As they came over the network'
hex\t'Hex digits, with or without blanks, commas, colons or 0x'
dump\t'What xxd or hexdump -C print'
escaped\t'Text with escapes such as \\x0D, \\r or \\015'
base64\t'Base64, of the usual alphabet or that for URLs'"
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -l max-header -d 'Refuse version 2 headers of more bytes, as receivers do (4096 by default)' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -l versions -d 'Refuse headers of other versions' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -s u -l datagram -d 'The bytes are a UDP datagram, in which the address of a datagram counts'
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -s j -l json -d 'Print JSON'
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c realpeer -n "__fish_realpeer_using_subcommand decode" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s o -l output -d 'How it is printed' -r -f -a "raw\t'The bytes themselves'
hex\t'Hex digits'
base64\t'Base64'
escaped\t'Text with escapes such as \\x0D, for printf %b'"
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s s -l source -d 'The client: ADDRESS:PORT, [IPV6]:PORT, unix:PATH, or unix:@NAME for an abstract socket' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s d -l destination -d 'What the client connected to, likewise' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s t -l tlv -d 'Add a TLV; may be repeated' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s p -l pad-to-multiple -d 'Pad the header to a multiple of so many bytes, as AWS does to 100' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s 1 -l v1 -d 'Write a line of version 1; without it, a header of version 2'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s l -l local -d 'Speak for the sender itself (LOCAL), as a health check does'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s u -l unknown -d 'Name no addresses (UNKNOWN in version 1, UNSPEC in version 2)'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -l udp -d 'Say that datagrams are relayed, and not a stream'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s c -l crc32c -d 'Add a CRC32c'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c realpeer -n "__fish_realpeer_using_subcommand encode" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s w -l timeout -d 'Give up after so many seconds in which nothing moves' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s s -l source -d 'The client: ADDRESS:PORT, [IPV6]:PORT, unix:PATH, or unix:@NAME for an abstract socket' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s d -l destination -d 'What the client connected to, likewise' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s t -l tlv -d 'Add a TLV; may be repeated' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s p -l pad-to-multiple -d 'Pad the header to a multiple of so many bytes, as AWS does to 100' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s 1 -l v1 -d 'Write a line of version 1; without it, a header of version 2'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s l -l local -d 'Speak for the sender itself (LOCAL), as a health check does'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s u -l unknown -d 'Name no addresses (UNKNOWN in version 1, UNSPEC in version 2)'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -l udp -d 'Say that datagrams are relayed, and not a stream'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s c -l crc32c -d 'Add a CRC32c'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c realpeer -n "__fish_realpeer_using_subcommand send" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and not __fish_seen_subcommand_from policy nginx help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and not __fish_seen_subcommand_from policy nginx help" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and not __fish_seen_subcommand_from policy nginx help" -f -a "policy" -d 'By rules that are given'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and not __fish_seen_subcommand_from policy nginx help" -f -a "nginx" -d 'By the configuration of nginx'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and not __fish_seen_subcommand_from policy nginx help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from policy" -s r -l rules -d 'The rules, such as "require 192.0.2.0/24; direct all"' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from policy" -s f -l file -d 'Read the rules from a file, - for the standard input' -r -F
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from policy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from policy" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -s c -l config -d 'The configuration, - for the standard input [default: /etc/nginx/nginx.conf]' -r -F
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -s p -l prefix -d 'Look up a relative FILE in this folder, as nginx -p does' -r -F
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -s r -l root -d 'Look up all files below this folder, an unpacked file system' -r -F
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -s l -l listener -d 'Look only at listeners with this in their address, such as :443' -r
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -l skip-missing -d 'Go on without included files that are missing or cannot be read'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from nginx" -s V -l version -d 'Print version'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from help" -f -a "policy" -d 'By rules that are given'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from help" -f -a "nginx" -d 'By the configuration of nginx'
complete -c realpeer -n "__fish_realpeer_using_subcommand check; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and not __fish_seen_subcommand_from decode encode send check help" -f -a "decode" -d 'Take a header apart and say what is wrong with it'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and not __fish_seen_subcommand_from decode encode send check help" -f -a "encode" -d 'Write a header'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and not __fish_seen_subcommand_from decode encode send check help" -f -a "send" -d 'Connect, send a header, and join the connection with standard input and output'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and not __fish_seen_subcommand_from decode encode send check help" -f -a "check" -d 'Say which policy a source gets'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and not __fish_seen_subcommand_from decode encode send check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and __fish_seen_subcommand_from check" -f -a "policy" -d 'By rules that are given'
complete -c realpeer -n "__fish_realpeer_using_subcommand help; and __fish_seen_subcommand_from check" -f -a "nginx" -d 'By the configuration of nginx'
