// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test hypervisor's options and counters as module parameters:
 *
 *   echo 5 >/sys/module/testvisor_ctl/parameters/lose_injections
 *   cat /sys/module/testvisor_ctl/parameters/lost_injections
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#define TESTVISOR_DEBUG		0x7465
#define TESTVISOR_IDENTIFY	0
#define TESTVISOR_READ_OPTION	0x100
#define TESTVISOR_READ_COUNTER	0x200
#define TESTVISOR_PANIC		0x300
#define TESTVISOR_IDENTITY	0x74657374

static long testvisor_call(unsigned long number, unsigned long value)
{
	register unsigned long x0 asm("x0") = TESTVISOR_DEBUG;
	register unsigned long x1 asm("x1") = number;
	register unsigned long x2 asm("x2") = value;

	asm volatile("hvc #0x4856" : "+r" (x0) : "r" (x1), "r" (x2) : "memory");
	return x0;
}

static int testvisor_set_option(const char *text, const struct kernel_param *param)
{
	unsigned long value;
	int ret;

	ret = kstrtoul(text, 0, &value);
	if (ret)
		return ret;
	return testvisor_call((unsigned long)param->arg, value);
}

static int testvisor_get_option(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n",
			  testvisor_call(TESTVISOR_READ_OPTION + (unsigned long)param->arg, 0));
}

static int testvisor_get_counter(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n",
			  testvisor_call(TESTVISOR_READ_COUNTER + (unsigned long)param->arg, 0));
}

static int testvisor_set_panic(const char *text, const struct kernel_param *param)
{
	testvisor_call(TESTVISOR_PANIC, 0);
	return 0;
}

static const struct kernel_param_ops testvisor_option_ops = {
	.set = testvisor_set_option,
	.get = testvisor_get_option,
};

static const struct kernel_param_ops testvisor_counter_ops = {
	.get = testvisor_get_counter,
};

static const struct kernel_param_ops testvisor_panic_ops = {
	.set = testvisor_set_panic,
};

#define TESTVISOR_OPTION(name, number, description) \
	module_param_cb(name, &testvisor_option_ops, (void *)(number), 0644); \
	MODULE_PARM_DESC(name, description)

#define TESTVISOR_COUNTER(name, number, description) \
	module_param_cb(name, &testvisor_counter_ops, (void *)(number), 0444); \
	MODULE_PARM_DESC(name, description)

/* The numbers of tests/testvisor/options.hpp. */
TESTVISOR_OPTION(lose_injections, 1, "lose every Nth injection, 0 for none");
TESTVISOR_OPTION(lose_wakeups, 2, "lose every Nth wake-up, 0 for none");
TESTVISOR_OPTION(lose_active, 3, "lose injections of an interrupt that is active, 0 or 1");
TESTVISOR_OPTION(magic, 4, "configuration magic to report, 0 for the layout's own");
TESTVISOR_OPTION(layout, 5, "zone configuration layout: 5 for v5a, 6 for v6");
TESTVISOR_OPTION(quiet, 6, "print nothing but panics, 0 or 1");

TESTVISOR_COUNTER(requests, 1, "requests pushed that wait for an answer");
TESTVISOR_COUNTER(notifications, 2, "requests pushed that do not");
TESTVISOR_COUNTER(ring_full, 3, "requests that found the ring full");
TESTVISOR_COUNTER(injections, 4, "interrupts asked for, lost and coalesced ones included");
TESTVISOR_COUNTER(coalesced, 5, "interrupts asked for that were pending already");
TESTVISOR_COUNTER(lost_injections, 6, "interrupts lost by lose_injections");
TESTVISOR_COUNTER(lost_active, 7, "interrupts lost by lose_active");
TESTVISOR_COUNTER(foreign, 8, "interrupts asked for that no zone has, dropped");
TESTVISOR_COUNTER(wakeups, 9, "wake-ups due, lost ones included");
TESTVISOR_COUNTER(lost_wakeups, 10, "wake-ups lost by lose_wakeups");

module_param_cb(panic, &testvisor_panic_ops, NULL, 0200);
MODULE_PARM_DESC(panic, "anything written here makes the hypervisor panic");

static int __init testvisor_ctl_init(void)
{
	/* Other hypervisors answer 0 to calls they do not know. */
	return testvisor_call(TESTVISOR_IDENTIFY, 0) == TESTVISOR_IDENTITY ? 0 : -ENODEV;
}
module_init(testvisor_ctl_init);

static void __exit testvisor_ctl_exit(void)
{
}
module_exit(testvisor_ctl_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Options and counters of the test hypervisor");
