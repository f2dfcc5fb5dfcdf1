CREATE TABLE "coupons" (
  "campaignId" text NOT NULL,
  "id" text NOT NULL,
  "serial" bigint NOT NULL,
  "userId" text NOT NULL,
  "grant" integer NOT NULL,
  "code" text,
  "issuedAt" timestamp (3) with time zone NOT NULL,
  "epoch" text NOT NULL,
  CONSTRAINT "coupons_id" PRIMARY KEY("campaignId","id"),
  CONSTRAINT "coupons_serial" UNIQUE("campaignId","serial"),
  CONSTRAINT "coupons_grant" UNIQUE("campaignId","userId","grant"),
  CONSTRAINT "coupons_code" UNIQUE("campaignId","code")
);
