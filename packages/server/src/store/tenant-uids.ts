/** Numbers of users that belong to this server alone. */
export interface UidRange {
  first: number;
  count: number;
}

export interface TenantUids {
  /**
   * The number of the user that a tenant's agents run as: the one that it was given first, even if the range is another
   * by now; otherwise the next of the range. No number is given twice. Undefined when there is none left.
   */
  tenantUid(tenant: string, range: UidRange): Promise<number | undefined>;
}
