/* Protects or unprotects packets with libsrtp2, one a line, for the scenario `libsrtp_both_ways`.
 *
 *   libsrtp_lines protect|unprotect SUITE KEYHEX    <  "rtp HEX" or "rtcp HEX"   >  HEX or "refused"
 */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 2048 };

static int unhex(const char *text, unsigned char *octets)
{
    int len = 0;
    unsigned octet;

    while (len < LONGEST && sscanf(text + 2 * len, "%2x", &octet) == 1)
        octets[len++] = (unsigned char)octet;
    return len;
}

static int set_suite(srtp_policy_t *policy, const char *suite)
{
    /* RTCP keeps its tag of 80 bits whatever RTP has (RFC 4568, 6.2.2). */
    if (!strcmp(suite, "AES_CM_128_HMAC_SHA1_80") || !strcmp(suite, "AES_CM_128_HMAC_SHA1_32")) {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
        if (strstr(suite, "_32"))
            srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy->rtp);
    } else if (!strcmp(suite, "AES_256_CM_HMAC_SHA1_80") || !strcmp(suite, "AES_256_CM_HMAC_SHA1_32")) {
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtcp);
        if (strstr(suite, "_32"))
            srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(&policy->rtp);
    } else if (!strcmp(suite, "AEAD_AES_128_GCM")) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
    } else if (!strcmp(suite, "AEAD_AES_256_GCM")) {
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
    } else {
        return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    static unsigned char key[LONGEST], packet[LONGEST + SRTP_MAX_TRAILER_LEN + 4];
    static char line[2 * LONGEST + 16];
    srtp_policy_t policy;
    srtp_t session;
    int protect;

    memset(&policy, 0, sizeof policy);
    if (argc != 4 || srtp_init() != srtp_err_status_ok || !set_suite(&policy, argv[2])) {
        fprintf(stderr, "usage: libsrtp_lines protect|unprotect SUITE KEYHEX\n");
        return 2;
    }
    protect = !strcmp(argv[1], "protect");
    unhex(argv[3], key);
    policy.key = key;
    policy.ssrc.type = protect ? ssrc_any_outbound : ssrc_any_inbound;
    policy.window_size = 128;
    if (srtp_create(&session, &policy) != srtp_err_status_ok) {
        fprintf(stderr, "libsrtp2 has no %s\n", argv[2]);
        return 3;
    }
    while (fgets(line, sizeof line, stdin)) {
        int rtcp = !strncmp(line, "rtcp ", 5);
        int len = unhex(line + (rtcp ? 5 : 4), packet), at;
        srtp_err_status_t status;

        if (protect)
            status = rtcp ? srtp_protect_rtcp(session, packet, &len) : srtp_protect(session, packet, &len);
        else
            status = rtcp ? srtp_unprotect_rtcp(session, packet, &len) : srtp_unprotect(session, packet, &len);
        if (status != srtp_err_status_ok) {
            printf("refused\n");
            continue;
        }
        for (at = 0; at < len; at++)
            printf("%02x", packet[at]);
        printf("\n");
    }
    return 0;
}
